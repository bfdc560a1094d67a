"""Orders of a platform and the state of a hub: what fits, and what is refused."""

from protocols import cbor, cose_sign
from protocols.platform_order import (
    ORDER_SIZE_MAX,
    decode_order,
    decode_state,
    encode_order,
    encode_state,
)
from tests.protocols.refusals import is_our_fault, reason_of

CHALLENGE = bytes(range(16))
MODE = (1, [2, False, 600, "理由", "reason"])
ITEMS = [1, "hub-1", CHALLENGE, 7, 1, [2, False]]
STATE = (3, CHALLENGE, 2, True, 7, 0, "")


def signed(items: object) -> bytes:
    """Return a message of that layout; its signature signs nothing."""
    return cose_sign.seal(cbor.encode(items), bytes(256))


def with_kind(kind: int, fields: "tuple[object, ...] | list[object]") -> bytes:
    """Return the payload of a state, right or wrong."""
    items: list[object] = [kind]
    items.extend(fields)
    return cbor.encode(items)


def test_an_order_is_what_was_signed() -> None:
    payload = encode_order("hub-1", CHALLENGE, 7, MODE)
    order = decode_order(cose_sign.seal(payload, b"\x05" * 256))
    assert (order.hub, order.challenge, order.id) == ("hub-1", CHALLENGE, 7)
    assert (order.code, order.arguments, order.signature) == (1, MODE[1], b"\x05" * 256)
    assert len(order.digest) == 32


def test_what_is_no_order_is_refused_on_both_sides() -> None:
    assert decode_order(signed(ITEMS)).id == 7
    for place, wrong in (
        (0, 2),
        (1, ""),
        (1, "a name of 17 byte"),
        (1, b"hub-1"),
        (2, CHALLENGE[1:]),
        (2, "0123456789abcdef"),
        (3, 0),
        (3, -1),
        (3, True),
        (4, None),
        (5, None),
        (5, {}),
    ):
        items = list(ITEMS)
        items[place] = wrong
        assert reason_of(decode_order, signed(items)) == "malformed", (place, wrong)
        if place:
            arguments = (items[1], items[2], items[3], (items[4], items[5]))
            assert is_our_fault(encode_order, *arguments), (place, wrong)
    others: tuple[object, ...] = (ITEMS[:-1], ITEMS + ITEMS[:1], 5, {})
    for whole in others:
        assert reason_of(decode_order, signed(whole)) == "malformed"
    good = signed(ITEMS)
    for size in range(len(good)):
        assert reason_of(decode_order, good[:size]) == "malformed"
    assert reason_of(decode_order, good + b"\x00") == "malformed"
    assert reason_of(decode_order, bytes(ORDER_SIZE_MAX + 1)) == "oversize"


def test_a_state_is_what_it_was() -> None:
    assert decode_state(encode_state(STATE)) == STATE
    for place, wrong in ((0, -1), (1, b""), (2, 3), (3, 1), (4, -1), (5, "x"), (6, None)):
        items: list[object] = list(STATE)
        items[place] = wrong
        assert is_our_fault(encode_state, tuple(items)), (place, wrong)
        assert reason_of(decode_state, with_kind(32, items)) == "malformed", (place, wrong)
    for payload in (b"", cbor.encode([]), with_kind(31, STATE), cbor.encode(5)):
        assert reason_of(decode_state, payload) == "malformed"
