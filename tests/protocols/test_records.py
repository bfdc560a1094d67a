"""Gaps, clocks, modes and notices."""

from protocols import cbor
from protocols.batch import read_record_head
from protocols.records import BODIES, EARLIER, decode_record, encode_record
from protocols.vocabulary import KIND_CLOCK, KIND_GAP, KIND_MODE, KIND_NOTICE, KIND_SUMMARY
from tests.protocols.refusals import is_our_fault, reason_of

HEAD = (3, 17, 2, 5_000_000)
EXAMPLES: "dict[int, tuple[object, ...]]" = {
    KIND_GAP: ("bridge-01", 3, 5, 9, 3, 1, "acc.x", 10, 20),
    KIND_CLOCK: ("bridge-01", 3, 7_000_000_000, 1_767_225_600_000_000, 850, -12345, 2),
    KIND_MODE: (2, True, "hub", "quake"),
    KIND_NOTICE: (3, False, "river", "水位が上がっています", "The river is rising", "river-1", 1),
    KIND_SUMMARY: ("bridge-01", 3, 5, 9, 3, "acc.x", "m/s2", -9, 38245) + (b"\x02",) * 5,
}
# sort -> values that do not fit it.
WRONG: "dict[str, tuple[object, ...]]" = {
    "uint": (-1, 1 << 63, True, None, "1"),
    "int": (1 << 63, -(1 << 63) - 1, False, b""),
    "boot": (-1, 1 << 32, True),
    "index": (-1, (1 << 32) + 1, None),
    "lane": (-1, 4, True),
    "mode": (-1, 3, False),
    "level": (-1, 4),
    "quality": (-1, 3, True),
    "state": (-1, 4, True),
    "text": ("x" * 1025, "あ" * 342, b"", None, 1),
    "bool": (0, 1, None, "true"),
    "bytes": (b"", bytes(3993), "x", None, 1),
}


def fields_of(kind: int) -> "dict[str, object]":
    """Return the example of this kind as the fields by name."""
    return {row[0]: value for row, value in zip(BODIES[kind], EXAMPLES[kind])}  # noqa: B905


def raw(kind: int, body: object) -> bytes:
    """Return the payload around any body."""
    boot, index, lane, at_us = HEAD
    return cbor.encode([kind, boot, index, lane, at_us, body])


def test_what_was_encoded_decodes_to_the_same() -> None:
    for kind in EXAMPLES:
        payload = encode_record(kind, HEAD, fields_of(kind))
        assert payload == raw(kind, EXAMPLES[kind])
        decoded = decode_record(payload)
        assert decoded[0] == kind and decoded[1:5] == HEAD and decoded[5] == fields_of(kind)
        assert read_record_head(payload)[:5] == decoded[:5]


def test_a_clock_of_an_earlier_version_is_unsynchronised() -> None:
    fields = decode_record(raw(KIND_CLOCK, EXAMPLES[KIND_CLOCK][:-1]))[5]
    assert fields["quality"] == 1 and fields["rate_ppb"] == -12345


def test_a_notice_of_what_is_once_so_has_no_key_and_no_state() -> None:
    short = EXAMPLES[KIND_NOTICE][:-2]
    fields = {row[0]: value for row, value in zip(BODIES[KIND_NOTICE], short)}  # noqa: B905
    payload = encode_record(KIND_NOTICE, HEAD, fields)
    assert payload == raw(KIND_NOTICE, short)
    decoded = decode_record(payload)[5]
    assert decoded["key"] == "" and decoded["state"] == 0
    fields["key"] = "river-1"
    assert is_our_fault(encode_record, KIND_NOTICE, HEAD, fields)


def test_there_is_an_example_of_each_kind_and_sort() -> None:
    assert sorted(EXAMPLES) == sorted(BODIES)
    assert {row[1] for kind in BODIES for row in BODIES[kind]} == set(WRONG)


def test_a_field_of_the_wrong_sort_or_size_fails_on_both_sides() -> None:
    for kind in BODIES:
        for place, (name, sort) in enumerate(BODIES[kind]):
            for value in WRONG[sort]:
                fields = fields_of(kind)
                fields[name] = value
                assert is_our_fault(encode_record, kind, HEAD, fields), (kind, name, value)
                body = list(EXAMPLES[kind])
                body[place] = value
                assert reason_of(decode_record, raw(kind, body)) == "malformed", (
                    kind,
                    name,
                    value,
                )


def test_a_body_of_another_size_fails_on_both_sides() -> None:
    for kind in BODIES:
        fields = fields_of(kind)
        fields["more"] = 1
        assert is_our_fault(encode_record, kind, HEAD, fields)
        del fields["more"], fields[BODIES[kind][0][0]]
        assert is_our_fault(encode_record, kind, HEAD, fields)
        shorter = EXAMPLES[kind][: -1 - len(EARLIER.get(kind, []))]
        sizes: list[object] = [shorter, EXAMPLES[kind] + (0,), {}, 0]
        for body in sizes:
            assert reason_of(decode_record, raw(kind, body)) == "malformed"


def test_a_misnamed_field_is_our_fault() -> None:
    fields = fields_of(KIND_MODE)
    del fields["drill"]
    fields["dril"] = True
    assert is_our_fault(encode_record, KIND_MODE, HEAD, fields)


def test_a_head_beyond_its_limits_is_our_fault() -> None:
    for head in ((1 << 32, 0, 0, 0), (0, 1 << 32, 0, 0), (0, 0, 4, 0), (0, 0, 0, 1 << 63)):
        assert is_our_fault(encode_record, KIND_MODE, head, fields_of(KIND_MODE))


def test_an_unknown_kind_is_refused() -> None:
    for kind in (0, 1, 6, 15, 16, 255):
        assert reason_of(decode_record, raw(kind, EXAMPLES[KIND_MODE])) == "malformed", kind


def test_every_truncation_is_refused() -> None:
    for kind in BODIES:
        payload = raw(kind, EXAMPLES[kind])
        for size in range(len(payload)):
            assert reason_of(decode_record, payload[:size]) == "malformed"
        assert reason_of(decode_record, payload + b"\x00") == "malformed"
