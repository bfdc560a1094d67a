"""Frames: sealing, opening, refusing; what a hub reads before it knows the key."""

from protocols import cbor
from protocols.cose import DeviceKeys, Mac0, decrypt0, is_encrypt0, is_frame, sender_of
from protocols.limits import FRAME_OVERHEAD_MAX, FRAME_SIZE_MAX, PAYLOAD_SIZE_MAX
from tests.protocols.refusals import is_our_fault, reason_of

SECRET = bytes(range(32))
KEYS = DeviceKeys("bridge-01", SECRET)
PAYLOAD = bytes.fromhex("86010311021a004c4b4080")
FRAME = KEYS.up.seal(PAYLOAD)
# Sizes at which the head of the payload grows.
SIZES = (2, 23, 24, 255, 256, PAYLOAD_SIZE_MAX)
REFUSALS = ("malformed", "wrong_key", "wrong_sender", "oversize")


def test_a_frame_has_the_layout_that_the_module_says() -> None:
    head = bytes.fromhex("d1844e" + "a2010404" + "49") + b"bridge-01" + b"\xa0\x4b"
    assert FRAME[:-9] == head + PAYLOAD
    assert FRAME[-9] == 0x48


def test_what_was_sealed_opens_at_every_size_of_the_head() -> None:
    for size in SIZES:
        payload = b"\x86\x01" + bytes(size - 2)
        assert KEYS.up.open(KEYS.up.seal(payload)) == payload
        assert KEYS.up.open_record(KEYS.up.seal(payload)) == payload
        assert KEYS.up.peek(KEYS.up.seal(payload)) == payload


def test_the_largest_frame_fits_a_flash_sector() -> None:
    mac = Mac0("n" * 16, SECRET)
    size = len(mac.seal(bytes(PAYLOAD_SIZE_MAX)))
    assert size <= PAYLOAD_SIZE_MAX + FRAME_OVERHEAD_MAX <= FRAME_SIZE_MAX
    assert is_our_fault(mac.seal, bytes(PAYLOAD_SIZE_MAX + 1))


def test_every_bit_flip_of_a_frame_is_refused() -> None:
    for at in range(len(FRAME)):
        for bit in range(8):
            flipped = FRAME[:at] + bytes([FRAME[at] ^ 1 << bit]) + FRAME[at + 1 :]
            assert reason_of(KEYS.up.open, flipped) in REFUSALS, (at, bit)
            assert reason_of(open_any, flipped) in REFUSALS, (at, bit)


def open_any(frame: bytes) -> None:
    """Open a record as a hub does; a flip may also make it look like a session message."""
    if KEYS.up.open_record(frame) is None:
        KEYS.up.open(frame)


def test_every_truncation_of_a_frame_is_refused() -> None:
    for size in range(len(FRAME)):
        assert reason_of(KEYS.up.open, FRAME[:size]) in REFUSALS, size
        assert reason_of(KEYS.up.open_record, FRAME[:size]) in REFUSALS, size
        assert reason_of(KEYS.up.open, FRAME[size + 1 :]) in REFUSALS, size


def test_bytes_after_a_frame_are_refused() -> None:
    for tail in (b"\x00", b"\x48" + bytes(8), FRAME):
        assert reason_of(KEYS.up.open, FRAME + tail) in REFUSALS
    assert reason_of(KEYS.up.open, FRAME + bytes(FRAME_SIZE_MAX)) == "oversize"


def test_another_payload_length_form_is_refused_even_with_a_right_code() -> None:
    # Sealed by one who has the key, but not in the one form: equal payloads have equal bytes.
    for head in (b"\x58\x0b", b"\x4a", b"\x4c", b"\x6b", b"\x5f"):
        body = head + PAYLOAD
        tag = KEYS.up._hmac.digest(KEYS.up._mac_head + body)[:8]
        frame = KEYS.up.head + body + b"\x48" + tag
        assert reason_of(KEYS.up.open, frame) == "malformed"
        assert reason_of(KEYS.up.open_record, frame) == "malformed"


def test_each_key_opens_only_its_own_frames() -> None:
    first, second = KEYS.session(bytes(8), b"hub side"), KEYS.session(b"dev side", bytes(8))
    other = DeviceKeys("bridge-01", SECRET[1:] + b"\x00").up
    macs = [KEYS.up, KEYS.down, first[0], first[1], second[0], second[1], other]
    for sealing in macs:
        for opening in macs:
            reason = reason_of(opening.open, sealing.seal(PAYLOAD))
            assert reason == ("accepted" if sealing is opening else "wrong_key")


def test_a_frame_of_another_device_is_told_from_garbage() -> None:
    other = DeviceKeys("bridge-02", SECRET)
    assert reason_of(KEYS.up.open, other.up.seal(PAYLOAD)) == "wrong_sender"
    assert reason_of(KEYS.up.open, b"GET / HTTP/1.1") == "malformed"


def test_a_record_is_told_from_a_session_message_without_its_key() -> None:
    session_up, _ = KEYS.session(bytes(8), bytes(8))
    assert KEYS.up.open_record(session_up.seal(b"\x84\x14\x00\x01\x02")) is None
    assert reason_of(KEYS.up.open_record, session_up.seal(PAYLOAD)) == "wrong_key"
    assert reason_of(KEYS.up.open_record, KEYS.up.seal(b"\x80")) == "malformed"


def test_the_sender_is_read_without_a_key() -> None:
    assert sender_of(FRAME) == "bridge-01"
    assert sender_of(Mac0("橋1", SECRET).seal(b"")) == "橋1"


def test_a_sender_that_is_no_name_is_refused() -> None:
    for header in (
        "a0",
        "a10104",
        "a201040440",
        "a2010404513131313131313131313131313131313131",
        "a201040441ff",
        "a2010504426162",
        "a20104046161",
        "a3010404416106 00",
        "80",
        "",
    ):
        protected = bytes.fromhex(header)
        frame = b"\xd1\x84" + cbor.encode(protected) + b"\xa0\x40\x48" + bytes(8)
        assert reason_of(sender_of, frame) == "malformed", header
    for frame in (b"", b"\xd1", b"\xd1\x84", b"\xd1\x84\x5b" + b"\xff" * 8, b"\xd2" + FRAME[1:]):
        assert reason_of(sender_of, frame) == "malformed", frame


def test_names_and_keys_of_a_wrong_size_are_our_fault() -> None:
    assert is_our_fault(Mac0, "", SECRET) and is_our_fault(Mac0, "n" * 17, SECRET)
    assert is_our_fault(Mac0, "橋" * 6, SECRET)
    assert is_our_fault(Mac0, "n", SECRET[1:])
    assert is_our_fault(DeviceKeys, "n", SECRET + b"\x00")


def test_is_frame_looks_at_start_and_size_only() -> None:
    assert (
        is_frame(FRAME) and not is_frame(b"\xd1") and not is_frame(FRAME + bytes(FRAME_SIZE_MAX))
    )


def test_only_the_one_shape_of_an_encrypted_part_is_known() -> None:
    iv = bytes(16)
    good = [b"", {1: -65531, 5: iv}, bytes(16)]
    assert is_encrypt0(cbor.Tagged(16, good))
    for wrong in (
        cbor.Tagged(17, good),
        cbor.Tagged(16, good[:2]),
        cbor.Tagged(16, [b"\xa0", good[1], good[2]]),
        cbor.Tagged(16, [b"", {1: -65530, 5: iv}, good[2]]),
        cbor.Tagged(16, [b"", {1: -65531, 5: iv[1:]}, good[2]]),
        cbor.Tagged(16, [b"", {1: -65531}, good[2]]),
        cbor.Tagged(16, [b"", {1: -65531, 5: iv}, bytes(17)]),
        cbor.Tagged(16, [b"", {1: -65531, 5: iv}, b""]),
        cbor.Tagged(16, [b"", [], None]),
        good,
        None,
    ):
        assert not is_encrypt0(wrong)
        assert reason_of(decrypt0, bytes(16), wrong) == "malformed"
