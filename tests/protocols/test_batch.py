"""Batches: columns, limits, refusals, and the sizes that the design promises."""

from protocols import cbor
from protocols.batch import (
    Series,
    decode_batch,
    encode_batch,
    pack,
    read_record_head,
    unpack,
)
from protocols.cose import DeviceKeys
from protocols.limits import FRAME_SIZE_MAX, PAYLOAD_SIZE_MAX, SERIES_MAX, VALUES_MAX
from tests.protocols.refusals import is_our_fault, reason_of

HEAD = (3, 17, 2, 5_000_000)
MAC = DeviceKeys("bridge-01", bytes(32)).up


def series(values: "list[int]", **fields: object) -> Series:
    """Return a series of these values, at 1 Hz from HEAD's time unless fields say else."""
    whole = {"channel": "level", "unit": "m", "scale": (-3, 1), "start_us": HEAD[3]}
    whole["spacing_ns"] = 10**9
    whole.update(fields)
    return Series(values=values, **whole)  # type: ignore[arg-type]


def test_what_was_encoded_decodes_to_the_same() -> None:
    rows = [
        series([1, 2, -3]),
        series([5], plain=True, start_us=HEAD[3] - 4_000_000),
        series([-1, 0], spacing_ns=0, times_us=[HEAD[3] + 9, HEAD[3] + 1]),
        series([70000, -70000], plain=True, channel="流量", unit="m3/s"),
    ]
    batch = decode_batch(encode_batch(HEAD, rows))
    assert (batch.boot, batch.index, batch.lane, batch.start_us) == HEAD
    assert batch.series == rows and batch.readings_count() == 8
    assert [row.plain for row in batch.series or ()] == [row.plain for row in rows]


def test_a_reading_knows_its_time() -> None:
    # Rounded down from the start, not step by step: the error does not add up.
    regular = series([0] * 9, spacing_ns=333_333_333)
    times_us = [regular.time_us(at) - HEAD[3] for at in (0, 1, 3, 4, 8)]
    assert times_us == [0, 333333, 999999, 1333333, 2666666]
    assert series([0, 0], spacing_ns=0, times_us=[7, 9]).time_us(1) == 9


def test_steps_of_a_packed_column_take_one_byte_up_to_63() -> None:
    assert pack([0, -64, -1, 62]).hex() == "007f7e7e"
    assert pack([64]).hex() == "8001" and pack([-65]).hex() == "8101"
    assert unpack(bytes.fromhex("007f7e7e")) == [0, -64, -1, 62]


def test_a_packed_column_holds_the_whole_32_bits() -> None:
    values = [0, 0x7FFFFFFF, -0x80000000, 0x7FFFFFFF, -1, 1]
    assert unpack(pack(values)) == values


def test_a_packed_column_that_is_not_in_its_one_form_is_refused() -> None:
    for data in ("80", "8000", "00ff", "818000", "ff" * 10 + "01", "ff" * 4000):
        assert reason_of(unpack, bytes.fromhex(data)) == "malformed", data


def test_values_beyond_32_bits_are_our_fault_in_both_forms() -> None:
    for value in (0x80000000, -0x80000001, 1 << 62, 1 << 100):
        for plain in (False, True):
            assert is_our_fault(encode_batch, HEAD, [series([0, value], plain=plain)])


def test_a_packed_value_beyond_32_bits_is_refused() -> None:
    for value in (0x80000000, -0x80000001, 1 << 60):
        row = ["level", "m", 0, 1, 0, 1, pack([value])]
        assert reason_of(decode_batch, payload(row)) == "malformed"


def payload(*rows: object) -> bytes:
    """Return the payload around raw rows, right or wrong."""
    boot, index, lane, start_us = HEAD
    return cbor.encode([1, boot, index, lane, start_us, rows])


def replaced(items: "list[object]", place: int, value: object) -> "list[object]":
    """Return a copy of items with one of them replaced."""
    copy = list(items)
    copy[place] = value
    return copy


def test_plain_values_travel_in_16_bits_where_they_fit() -> None:
    narrow = encode_batch(HEAD, [series([-0x8000, 0x7FFF] * 50, plain=True)])
    wide = encode_batch(HEAD, [series([-0x8001, 0x7FFF] * 50, plain=True)])
    assert b"\xd8\x4d\x58\xc8\x00\x80\xff\x7f" in narrow
    assert b"\xd8\x4e\x59\x01\x90\xff\x7f\xff\xff" in wide


def test_a_head_beyond_its_limits_is_our_fault() -> None:
    for place, values in enumerate(
        ((-1, 1 << 32), (-1, 1 << 32), (-1, 4), (-1, 1 << 63)),
    ):
        for value in values:
            head = tuple(replaced(list(HEAD), place, value))
            assert is_our_fault(encode_batch, head, [series([0])]), head


def test_the_last_boot_index_and_time_fit() -> None:
    head = (0xFFFFFFFF, 0xFFFFFFFF, 3, (1 << 63) - 1)
    row = series([0], start_us=head[3])
    assert decode_batch(encode_batch(head, [row])).series == [row]
    assert read_record_head(encode_batch(head, [row]))[1:5] == head


def test_a_head_beyond_its_limits_is_refused() -> None:
    boot, index, lane, start_us = HEAD
    whole = [1, boot, index, lane, start_us, [["level", "m", 0, 1, 0, 1, b"\x00"]]]
    for place, value in (
        (0, 0),
        (0, 16),
        (1, 1 << 32),
        (2, 1 << 32),
        (3, 4),
        (4, 1 << 63),
        (2, -1),
    ):
        items = replaced(whole, place, value)
        assert reason_of(read_record_head, cbor.encode(items)) == "malformed", items
        assert reason_of(decode_batch, cbor.encode(items)) == "malformed", items


def test_every_truncation_of_a_payload_is_refused() -> None:
    whole = encode_batch(HEAD, [series([1, 2, 300]), series([1, 2], plain=True)])
    for size in range(len(whole)):
        assert reason_of(decode_batch, whole[:size]) == "malformed", size
    assert reason_of(decode_batch, whole + b"\x00") == "malformed"


def test_fields_that_the_wire_does_not_allow_are_our_fault() -> None:
    for fields in (
        {"channel": ""},
        {"channel": "c" * 65},
        {"channel": "川" * 22},
        {"unit": "u" * 17},
        {"scale": (19, 1)},
        {"scale": (-19, 1)},
        {"scale": (0, 0)},
        {"scale": (0, 1 << 31)},
        {"start_us": -1},
        {"start_us": 1 << 63},
        {"spacing_ns": -1},
        {"spacing_ns": 0},
        {"spacing_ns": 1 << 62, "start_us": (1 << 63) - 5},
        {"times_us": [HEAD[3]]},
        {"spacing_ns": 0, "times_us": [1, 2, 3]},
        {"spacing_ns": 0, "times_us": [1, 1 << 63]},
        {"spacing_ns": 0, "times_us": [1, -1]},
    ):
        assert is_our_fault(encode_batch, HEAD, [series([1, 2], **fields)]), fields
    assert is_our_fault(encode_batch, HEAD, [series([])])


def test_fields_that_the_wire_does_not_allow_are_refused() -> None:
    good: list[object] = ["level", "m", 0, 1, 0, 1, b"\x00\x02"]
    assert reason_of(decode_batch, payload(good)) == "accepted"
    for place, values in (
        (0, ("", "c" * 65, 5, b"level", None)),
        (1, ("u" * 17, 1)),
        (2, (19, -19, True, None, 1 << 63)),
        (3, (0, 1 << 31, False, "1")),
        (4, (-HEAD[3] - 1, 1 << 63, True)),
        (5, (0, -1, 1 << 63, 1 << 62 << 1, None)),
        (6, (b"", b"\x80", "\x00", [0], None, cbor.Tagged(77, b""), cbor.Tagged(77, b"\x00"))),
        (6, (cbor.Tagged(78, bytes(6)), cbor.Tagged(79, bytes(8)), cbor.Tagged(77, [0]))),
    ):
        for value in values:
            row = replaced(good, place, value)
            assert reason_of(decode_batch, payload(row)) == "malformed", row
    irregular: list[object] = ["level", "m", 0, 1, 0, 0, b"\x00\x02", b"\x00\x00"]
    assert reason_of(decode_batch, payload(irregular)) == "accepted"
    one_time = replaced(irregular, 7, b"\x00")
    for wrong in (good[:6], irregular[:7], replaced(irregular, 5, 1), one_time, None):
        assert reason_of(decode_batch, payload(wrong)) == "malformed", wrong


def test_series_and_values_are_counted() -> None:
    assert is_our_fault(encode_batch, HEAD, [])
    assert is_our_fault(encode_batch, HEAD, [series([0])] * (SERIES_MAX + 1))
    assert is_our_fault(encode_batch, HEAD, [series([0] * (VALUES_MAX + 1))])
    assert reason_of(decode_batch, payload()) == "malformed"
    row = ["c", "", 0, 1, 0, 1, b"\x00"]
    assert reason_of(decode_batch, payload(*([row] * SERIES_MAX))) == "accepted"
    assert reason_of(decode_batch, payload(*([row] * (SERIES_MAX + 1)))) == "malformed"


def test_what_does_not_fit_a_frame_is_our_fault() -> None:
    fitting = PAYLOAD_SIZE_MAX - len(encode_batch(HEAD, [series([0] * 256)])) + 256
    assert len(encode_batch(HEAD, [series([0] * fitting)])) == PAYLOAD_SIZE_MAX
    assert is_our_fault(encode_batch, HEAD, [series([0] * (fitting + 1))])


def test_a_record_of_another_kind_is_no_batch() -> None:
    assert reason_of(decode_batch, cbor.encode([4, 0, 0, 0, 0, [0, False, "", ""]])) == "malformed"


class Noise:
    """Repeatable noise of a given spread; the sum of 12 uniform draws is near enough to normal."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def uniform(self) -> int:
        """Return 0..999 (a linear congruential generator, constants of Numerical Recipes)."""
        self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self.state >> 8) % 1000

    def normal(self, sigma_permille: int) -> int:
        """Return an integer of mean 0 and this standard deviation, in thousandths of an LSB."""
        total = sum([self.uniform() for _ in range(12)]) - 5994
        scaled = total * sigma_permille
        return (scaled + 500_000) // 1_000_000


def test_sixty_slow_readings_take_at_most_3_5_bytes_each() -> None:
    # River level in mm, once a second: waves of 8 mm about a slow rise.
    noise = Noise(1)
    level = [3000 + second // 4 + noise.normal(8000) for second in range(60)]
    frame = MAC.seal(encode_batch((300, 100_000, 2, 86_400_000_000), [
        series(level, start_us=86_400_000_000)]))  # fmt: skip
    assert len(frame) / 60 <= 3.5, len(frame) / 60


def test_a_full_frame_of_waves_takes_at_most_2_1_bytes_a_sample_plain() -> None:
    noise = Noise(2)
    axes = []
    count = 640
    for axis in "xyz":
        values = [noise.normal(3_000_000) for _ in range(count)]
        axes.append(
            series(values, channel="acc." + axis, unit="m/s2", scale=(-9, 38245), plain=True)
        )
    frame = MAC.seal(encode_batch((300, 100_000, 3, HEAD[3]), axes))
    assert len(frame) <= FRAME_SIZE_MAX
    assert len(frame) / (3 * count) <= 2.1, len(frame) / (3 * count)


def test_a_quiet_bridge_takes_at_most_1_3_bytes_a_sample_packed() -> None:
    noise = Noise(3)
    axes = []
    count = 1000
    for axis in "xyz":
        values = [12345 + noise.normal(3000) for _ in range(count)]
        axes.append(series(values, channel="acc." + axis, unit="m/s2", scale=(-9, 38245)))
    frame = MAC.seal(encode_batch((300, 100_000, 3, HEAD[3]), axes))
    assert len(frame) / (3 * count) <= 1.3, len(frame) / (3 * count)
