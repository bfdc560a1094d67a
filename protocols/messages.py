"""Session messages <-> tuples; one row for each message.

    [kind, counter, field, ..]

counter: 0 in hello and welcome; then each side counts its own messages of the session up by one,
so that a replayed or reordered message is refused.
"""

from protocols import cbor
from protocols.batch import is_integer
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.limits import NONCE_SIZE, PAYLOAD_SIZE_MAX, PIECE_SIZE_MAX, RANGES_MAX
from protocols.portable import const
from protocols.records import fits

HELLO = const(16)
WELCOME = const(17)
ACK = const(18)
TIME_REQUEST = const(19)
TIME_REPLY = const(20)
COMMAND = const(21)
RESULT = const(22)
BYE = const(23)
WANT = const(24)
PIECE = const(25)

# kind -> name and fields. "ranges" is a list of [boot, first, next]; "nonce" is 8 bytes; "piece"
# is 1 to PIECE_SIZE_MAX bytes.
MESSAGES = {
    # Device: who I am, how I started, what I hold. log: ranges not yet acknowledged.
    HELLO: (
        "hello",
        (
            ("nonce", "nonce"),
            ("boot", "boot"),
            ("firmware", "text"),
            ("profile", "text"),
            ("mode", "mode"),
            ("drill", "bool"),
            ("reset_cause", "text"),
            ("log", "ranges"),
            # Version of the hub's policy that the device goes by; 0: its own configuration.
            ("policy", "boot"),
        ),
    ),
    # Hub: durable = those of `log` that the hub has already (the device frees them).
    WELCOME: (
        "welcome",
        (
            ("device_nonce", "nonce"),
            ("nonce", "nonce"),
            ("mode", "mode"),
            ("drill", "bool"),
            ("durable", "ranges"),
        ),
    ),
    # Hub: these frames are fsynced.
    ACK: ("ack", (("durable", "ranges"),)),
    # Hub: its own monotonic clock; the device answers at once with both.
    TIME_REQUEST: ("time request", (("hub_us", "uint"),)),
    TIME_REPLY: ("time reply", (("hub_us", "uint"), ("device_us", "uint"))),
    COMMAND: ("command", (("id", "uint"), ("code", "uint"), ("arguments", "list"))),
    RESULT: ("result", (("id", "uint"), ("status", "uint"), ("detail", "text"))),
    BYE: ("bye", (("reason", "uint"), ("retry_after_ms", "uint"))),
    # Device: the image of the update command `id`, from `offset` on; the size of the image when
    # all of it is here and sound. One piece is asked for at a time, so that it never queues in
    # front of acknowledgements.
    WANT: ("want", (("id", "uint"), ("offset", "uint"))),
    PIECE: ("piece", (("id", "uint"), ("offset", "uint"), ("data", "piece"))),
}

# kind -> what stands for the fields at the end that an earlier version did not have: a device
# that is to be updated says hello in its old way.
EARLIER: dict = {HELLO: [0]}


def encode_message(kind: int, counter: int, fields: dict) -> bytes:
    """Return the payload of a session message; LocalProtocolError where a field does not fit."""
    name, rows = MESSAGES[kind]
    if len(fields) != len(rows):
        raise LocalProtocolError("fields of " + name)
    items: list = [kind, counter]
    for field, sort in rows:
        value = fields.get(field)
        if not _fits(value, sort):
            raise LocalProtocolError(f"{field} of {name}")
        items.append(value)
    return cbor.encode(items, PAYLOAD_SIZE_MAX)


def decode_message(payload: bytes) -> tuple:
    """Return (kind, counter, fields); RemoteProtocolError for anything else."""
    items = cbor.decode(payload)
    if not isinstance(items, list) or len(items) < 2 or not is_integer(items[0]):
        raise RemoteProtocolError("malformed", "not a message")
    row = MESSAGES.get(items[0])
    earlier = EARLIER.get(items[0], [])
    if row is not None and len(items) == 2 + len(row[1]) - len(earlier):
        items = items + earlier
    if row is None or len(items) != 2 + len(row[1]) or not fits(items[1], "uint"):
        raise RemoteProtocolError("malformed", f"message {items[0]}")
    fields = {}
    for (field, sort), value in zip(row[1], items[2:]):
        if not _fits(value, sort):
            raise RemoteProtocolError("malformed", f"{field} of {row[0]}")
        fields[field] = value
    if items[1] and items[0] in (HELLO, WELCOME):
        raise RemoteProtocolError("malformed", "counter of " + row[0])
    return items[0], items[1], fields


def kind_of(payload: bytes) -> int:
    """Return the kind of any payload, record or message: the first item of its array."""
    if len(payload) >= 2 and 0x81 <= payload[0] <= 0x97:
        if payload[1] <= 23:
            return payload[1]
        if payload[1] == 24 and len(payload) >= 3 and payload[2] >= 24:  # CBOR's longer head
            return payload[2]
    raise RemoteProtocolError("malformed", "no kind")


def _fits(value: object, sort: str) -> bool:
    if sort == "nonce":
        return isinstance(value, bytes) and len(value) == NONCE_SIZE
    if sort == "piece":
        return isinstance(value, bytes) and 1 <= len(value) <= PIECE_SIZE_MAX
    if sort == "ranges":
        return (
            isinstance(value, (list, tuple))
            and len(value) <= RANGES_MAX
            and all(map(_is_range, value))
        )
    return fits(value, sort)


def _is_range(value: object) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 3
        and fits(value[0], "boot")
        and fits(value[1], "index")
        and fits(value[2], "index")
        and value[1] < value[2]
    )
