"""The stored records that are no batches: gaps, clocks, modes and notices, of devices and of the hub.

    [kind, boot, index, lane, at_us, body]

They are frames like any other (sealed, stored, relayed, deduplicated), so that a platform
learns of a loss or of a clock by the same path as of a reading. The hub sends its own under
its own name.
"""

from protocols import cbor
from protocols.batch import is_integer, read_record_head
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.vocabulary import KIND_CLOCK, KIND_GAP, KIND_MODE, KIND_NOTICE

# kind -> the fields of its body and their types ("uint", "int", "text", "bool").
BODIES = {
    # Frames first <= index < next of that device, boot and lane are lost. Where readings were lost before they were
    # framed, first == next and `channel` with from_us..until_us (device boot clock) names them.
    KIND_GAP: (
        ("device", "text"),
        ("boot", "uint"),
        ("first", "uint"),
        ("next", "uint"),
        ("lane", "uint"),
        ("reason", "uint"),
        ("channel", "text"),
        ("from_us", "uint"),
        ("until_us", "uint"),
    ),
    # device_us on the boot clock of that device was utc_us, to within uncertainty_us; rate_ppb: how much faster than
    # UTC that clock runs, in parts per 10**9.
    KIND_CLOCK: (
        ("device", "text"),
        ("boot", "uint"),
        ("device_us", "uint"),
        ("utc_us", "uint"),
        ("uncertainty_us", "uint"),
        ("rate_ppb", "int"),
    ),
    KIND_MODE: (("mode", "uint"), ("drill", "bool"), ("actor", "text"), ("reason", "text")),
    # Something a person should know: level 0 info, 1 watch, 2 warning, 3 emergency.
    KIND_NOTICE: (
        ("level", "uint"),
        ("drill", "bool"),
        ("kind", "text"),
        ("text_ja", "text"),
        ("text_en", "text"),
    ),
}


def encode_record(kind: int, head: tuple, fields: dict) -> bytes:  # type: ignore[type-arg]
    """Return the payload. head: (boot, index, lane, at_us); fields: all those of BODIES[kind]."""
    rows = BODIES[kind]
    if len(fields) != len(rows):
        raise LocalProtocolError("fields of kind %d" % kind)
    body = []
    for name, sort in rows:
        value = fields[name]
        if not fits(value, sort):
            raise LocalProtocolError("%s of kind %d" % (name, kind))
        body.append(value)
    return cbor.encode([kind] + list(head) + [body])


def decode_record(payload: bytes) -> tuple:  # type: ignore[type-arg]
    """Return (kind, boot, index, lane, at_us, fields); RemoteProtocolError when it is none of these."""
    kind, boot, index, lane, at_us, at = read_record_head(payload)
    body = cbor.decode(payload[at:])
    rows = BODIES.get(kind)
    if rows is None or not isinstance(body, list) or len(body) != len(rows):
        raise RemoteProtocolError("malformed", "kind %d" % kind)
    fields = {}
    for (name, sort), value in zip(rows, body):
        if not fits(value, sort):
            raise RemoteProtocolError("malformed", "%s of kind %d" % (name, kind))
        fields[name] = value
    return kind, boot, index, lane, at_us, fields


def fits(value: object, sort: str) -> bool:
    """Tell whether value is of the sort "uint", "int", "text", "bytes", "bool" or "list"."""
    if sort == "uint":
        return is_integer(value) and value >= 0  # type: ignore[operator]
    if sort == "int":
        return is_integer(value)
    wanted = {"text": str, "bytes": bytes, "bool": bool, "list": list}[sort]
    return isinstance(value, wanted)
