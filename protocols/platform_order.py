"""What a platform may order of a hub, and what the hub says of itself for that.

An order is a COSE_Sign1 of RS256 (protocols.cose_sign) under the platform's key, around

    [1, hub, challenge, id, code, arguments]

The hub's state is a frame of the hub (COSE_Mac0 under its key up) around

    [32, boot, challenge, mode, drill, id, status, detail]

An order must carry the challenge of the newest state: 16 random bytes, another after each order
that was signed well and in each connection. So an order is obeyed once and soon or never,
whatever the clocks say and whatever a broker keeps. id, status and detail tell what became of the
newest order (RESULT_.. of the vocabulary); id 0: there was none.
"""

from protocols import cbor, cose_sign
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.limits import DEVICE_NAME_SIZE_MAX
from protocols.portable import const
from protocols.records import fits

FORMAT = const(1)
KIND_HUB_STATE = const(32)
CHALLENGE_SIZE = const(16)
ORDER_SIZE_MAX = const(4096)
_STATE_SORTS = ("boot", "challenge", "mode", "bool", "uint", "uint", "text")


class Order:
    """An order that is well formed. digest, signature: to verify before anything of it counts."""

    def __init__(self, items: list, digest: bytes, signature: bytes) -> None:
        _, self.hub, self.challenge, self.id, self.code, self.arguments = items
        self.digest = digest
        self.signature = signature


def encode_order(hub: str, challenge: bytes, number: int, command: tuple) -> bytes:
    """Return the payload to sign. command: (code, arguments)."""
    items = [FORMAT, hub, challenge, number, command[0], command[1]]
    if not _is_order(items):
        raise LocalProtocolError("an order that does not fit")
    return cbor.encode(items, ORDER_SIZE_MAX)


def decode_order(message: bytes) -> Order:
    """Return the order; RemoteProtocolError for anything else. Verify the signature next."""
    if len(message) > ORDER_SIZE_MAX:
        raise RemoteProtocolError("oversize", "order of %d bytes" % len(message))
    payload, digest, signature = cose_sign.split(message)
    items = cbor.decode(payload)
    if not isinstance(items, list) or not _is_order(items):
        raise RemoteProtocolError("malformed", "no order")
    return Order(items, digest, signature)


def encode_state(fields: tuple) -> bytes:
    """Return the payload of (boot, challenge, mode, drill, id, status, detail)."""
    if not _is_state(fields):
        raise LocalProtocolError("a state that does not fit")
    items: list = [KIND_HUB_STATE]
    items.extend(fields)
    return cbor.encode(items)


def decode_state(payload: bytes) -> tuple:
    """Return the fields as encode_state takes them; RemoteProtocolError for anything else."""
    items = cbor.decode(payload)
    if not isinstance(items, list) or items[:1] != [KIND_HUB_STATE] or not _is_state(items[1:]):
        raise RemoteProtocolError("malformed", "no state")
    return tuple(items[1:])


def _is_order(items: list) -> bool:
    return (
        len(items) == 6
        and items[0] == FORMAT
        and fits(items[1], "text")
        and 1 <= len(items[1].encode()) <= DEVICE_NAME_SIZE_MAX
        and _is_challenge(items[2])
        and fits(items[3], "uint")
        and items[3] > 0
        and fits(items[4], "uint")
        and isinstance(items[5], list)
    )


def _is_state(fields: "tuple | list") -> bool:
    return len(fields) == len(_STATE_SORTS) and all(
        _is_challenge(value) if sort == "challenge" else fits(value, sort)
        for value, sort in zip(fields, _STATE_SORTS)
    )


def _is_challenge(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == CHALLENGE_SIZE
