"""Session messages: the table, round trips, refusals."""

from protocols import cbor
from protocols.limits import PIECE_SIZE_MAX, RANGES_MAX
from protocols.messages import (
    ACK,
    BYE,
    COMMAND,
    HELLO,
    MESSAGES,
    PIECE,
    RESULT,
    TIME_REPLY,
    TIME_REQUEST,
    WANT,
    WELCOME,
    decode_message,
    encode_message,
    kind_of,
)
from tests.protocols.refusals import is_our_fault, reason_of

NONCE = bytes(range(8))
EXAMPLES: "dict[int, tuple[object, ...]]" = {
    HELLO: (NONCE, 3, "0.1.0", "bridge", 0, False, "power", [[2, 100, 140], [3, 0, 17]], 7),
    WELCOME: (NONCE, NONCE, 2, True, []),
    ACK: ([[3, 0, 1]],),
    TIME_REQUEST: (123_456_789_012,),
    TIME_REPLY: (123_456_789_012, 7),
    COMMAND: (1, 1, [2, False, "x", None, b"\x00", [1]]),
    RESULT: (1, 0, ""),
    BYE: (2, 1000),
    WANT: (1, 4096),
    PIECE: (1, 4096, b"\x00" * 1024),
}
# sort -> values that do not fit it.
WRONG: "dict[str, tuple[object, ...]]" = {
    "uint": (-1, 1 << 63, True, None),
    "boot": (-1, 1 << 32, False),
    "mode": (3, -1, True),
    "text": ("x" * 1025, b"", None),
    "bool": (0, 1, None),
    "list": (None, 1, "", {}),
    "nonce": (NONCE[1:], NONCE + b"\x00", "12345678", None),
    "piece": (b"", bytes(PIECE_SIZE_MAX + 1), "x", None, [1]),
    "ranges": (
        None,
        [1],
        [[1, 2]],
        [[1, 2, 3, 4]],
        [[1, 2, 2]],
        [[1, 3, 2]],
        [[-1, 2, 3]],
        [[1 << 32, 2, 3]],
        [[1, 2, (1 << 32) + 1]],
        [[1, True, 3]],
        [[1, 2, 3]] * (RANGES_MAX + 1),
    ),
}


def fields_of(kind: int) -> "dict[str, object]":
    """Return the example of this kind as the fields by name."""
    return {row[0]: value for row, value in zip(MESSAGES[kind][1], EXAMPLES[kind])}  # noqa: B905


def raw(kind: object, counter: object, values: "list[object]") -> bytes:
    """Return the payload of any message, right or wrong."""
    items = [kind, counter]
    items.extend(values)
    return cbor.encode(items)


def test_what_was_encoded_decodes_to_the_same() -> None:
    for kind in MESSAGES:
        counter = 0 if kind in (HELLO, WELCOME) else 0xFFFFFFFF
        payload = encode_message(kind, counter, fields_of(kind))
        assert payload == raw(kind, counter, list(EXAMPLES[kind]))
        assert decode_message(payload) == (kind, counter, fields_of(kind))
        assert kind_of(payload) == kind


def test_there_is_an_example_of_each_kind_and_sort() -> None:
    assert sorted(EXAMPLES) == sorted(MESSAGES)
    assert {row[1] for kind in MESSAGES for row in MESSAGES[kind][1]} == set(WRONG)


def test_a_field_of_the_wrong_sort_or_size_fails_on_both_sides() -> None:
    for kind in MESSAGES:
        for place, (name, sort) in enumerate(MESSAGES[kind][1]):
            for value in WRONG[sort]:
                fields = fields_of(kind)
                fields[name] = value
                assert is_our_fault(encode_message, kind, 0, fields), (kind, name, value)
                values = list(EXAMPLES[kind])
                values[place] = value
                payload = raw(kind, 0, values)
                assert reason_of(decode_message, payload) == "malformed", (kind, name, value)


def test_a_hello_of_before_there_was_a_policy_is_one_without() -> None:
    earlier = raw(HELLO, 0, list(EXAMPLES[HELLO])[:-1])
    assert decode_message(earlier)[2]["policy"] == 0
    assert reason_of(decode_message, raw(HELLO, 0, list(EXAMPLES[HELLO])[:-2])) == "malformed"


def test_missing_misnamed_and_further_fields_are_our_fault() -> None:
    for fields in ({}, {"id": 1, "status": 0, "details": ""}):
        assert is_our_fault(encode_message, RESULT, 0, fields)
    fields = fields_of(RESULT)
    fields["more"] = 1
    assert is_our_fault(encode_message, RESULT, 0, fields)


def test_a_message_of_the_wrong_shape_is_refused() -> None:
    ack = [[3, 0, 1]]
    for items in (
        [],
        [ACK],
        [ACK, 0],
        [ACK, 0, ack, 0],
        [24, 0, ack],
        [26, 0, ack],
        [1, 0, ack],
        [True, 0, ack],
    ):
        assert reason_of(decode_message, cbor.encode(items)) == "malformed", items
    for value in (0, "ack", {0: ACK, 1: 0}, None):
        assert reason_of(decode_message, cbor.encode(value)) == "malformed"
    for counter in (-1, True, None, 1 << 63):
        assert reason_of(decode_message, raw(ACK, counter, [ack])) == "malformed"


def test_hello_and_welcome_count_from_zero_only() -> None:
    for kind in (HELLO, WELCOME):
        payload = raw(kind, 1, list(EXAMPLES[kind]))
        assert reason_of(decode_message, payload) == "malformed"


def test_every_truncation_is_refused() -> None:
    for kind in MESSAGES:
        payload = raw(kind, 0, list(EXAMPLES[kind]))
        for size in range(len(payload)):
            assert reason_of(decode_message, payload[:size]) == "malformed"
        assert reason_of(decode_message, payload + b"\x00") == "malformed"


def test_the_kind_is_read_from_the_first_two_bytes() -> None:
    assert kind_of(b"\x86\x01") == 1 and kind_of(b"\x97\x17") == 23
    assert kind_of(b"\x84\x18\x18") == 24 and kind_of(b"\x85\x18\x19") == 25
    for payload in (
        b"",
        b"\x86",
        b"\x80\x01",
        b"\x98\x10",
        b"\x86\x18",
        b"\x86\x18\x17",
        b"\xa1\x01",
        b"\x86\x20",
    ):
        assert reason_of(kind_of, payload) == "malformed", payload
