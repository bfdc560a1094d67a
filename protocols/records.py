"""The stored records that are no batches: gaps, clocks, modes, notices; of devices and the hub.

    [kind, boot, index, lane, at_us, body]

They are frames like any other (sealed, stored, relayed, deduplicated), so that a platform
learns of a loss or of a clock by the same path as of a reading. The hub sends its own under
its own name.
"""

from protocols import cbor
from protocols.batch import check_head, is_integer, read_record_head
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.limits import (
    BOOT_MAX,
    INDEX_MAX,
    INT64_MAX,
    INT64_MIN,
    PAYLOAD_SIZE_MAX,
    TEXT_SIZE_MAX,
)
from protocols.vocabulary import (
    KIND_CLOCK,
    KIND_GAP,
    KIND_MODE,
    KIND_NOTICE,
    KIND_SUMMARY,
    NOTICE_ONCE,
    UTC_UNSYNCHRONISED,
)

# Sort of a number -> its range. Bounded at the wire, so that no table or database overflows.
RANGES = {
    "uint": (0, INT64_MAX),
    "int": (INT64_MIN, INT64_MAX),
    "boot": (0, BOOT_MAX),
    "index": (0, INDEX_MAX + 1),  # one more than the last index ends a range
    "lane": (0, 3),
    "mode": (0, 2),
    "level": (0, 3),
    "quality": (0, 2),
    "state": (0, 3),
}

# kind -> the fields of its body and their sorts: a number of RANGES, "text", "bool" or
# "bytes".
BODIES = {
    # Frames first <= index < next of that device, boot and lane are lost. Where readings were lost
    # before they were framed, first == next and `channel` with from_us..until_us (device boot
    # clock) names them.
    KIND_GAP: (
        ("device", "text"),
        ("boot", "boot"),
        ("first", "index"),
        ("next", "index"),
        ("lane", "lane"),
        ("reason", "uint"),
        ("channel", "text"),
        ("from_us", "uint"),
        ("until_us", "uint"),
    ),
    # device_us on the boot clock of that device was utc_us, to within uncertainty_us, when the
    # hub's clock was at_us of the head; rate_ppb: how much faster than the hub's that clock runs,
    # in parts per 10**9, to within RATE_PPM_MAX of protocols.utc at any time; 0: not known;
    # quality: UTC_.. of the vocabulary. About itself the hub says so too, for each of its boots,
    # with device_us = at_us; protocols.utc reads both.
    KIND_CLOCK: (
        ("device", "text"),
        ("boot", "boot"),
        ("device_us", "uint"),
        ("utc_us", "uint"),
        ("uncertainty_us", "uint"),
        ("rate_ppb", "int"),
        ("quality", "quality"),
    ),
    KIND_MODE: (("mode", "mode"), ("drill", "bool"), ("actor", "text"), ("reason", "text")),
    # Something a person should know: level 0 info, 1 watch, 2 warning, 3 emergency. What lasts has
    # a key, the same within one sender, kind and drill while it lasts, and a state, NOTICE_.. of
    # the vocabulary; what is once so has neither.
    KIND_NOTICE: (
        ("level", "level"),
        ("drill", "bool"),
        ("kind", "text"),
        ("text_ja", "text"),
        ("text_en", "text"),
        ("key", "text"),
        ("state", "state"),
    ),
    # What is left of the readings of one channel in thinned frames, first <= index < next of that
    # device, boot and lane: columns packed as in a batch, one place for each minute of the
    # device's boot clock (its number; it may come again in another summary), with the count of
    # readings, their least, mean (rounded) and greatest value * multiplier * 10**exponent.
    KIND_SUMMARY: (
        ("device", "text"),
        ("boot", "boot"),
        ("first", "index"),
        ("next", "index"),
        ("lane", "lane"),
        ("channel", "text"),
        ("unit", "text"),
        ("exponent", "int"),
        ("multiplier", "int"),
        ("minutes", "bytes"),
        ("counts", "bytes"),
        ("least", "bytes"),
        ("mean", "bytes"),
        ("greatest", "bytes"),
    ),
}

# kind -> what stands for the fields at the end that an earlier version did not have, or that are
# left out.
EARLIER = {KIND_CLOCK: [UTC_UNSYNCHRONISED], KIND_NOTICE: ["", NOTICE_ONCE]}


def encode_record(kind: int, head: tuple, fields: dict) -> bytes:
    """Return the payload. head: (boot, index, lane, at_us); fields: all those of BODIES[kind].

    Those that EARLIER has something for may all be left out.
    """
    check_head(head)
    boot, index, lane, at_us = head
    rows = BODIES[kind]
    if len(fields) == len(rows) - len(EARLIER.get(kind, [])):
        rows = rows[: len(fields)]
    if len(fields) != len(rows):
        raise LocalProtocolError(f"fields of kind {kind}")
    body = []
    for name, sort in rows:
        value = fields.get(name)
        if not fits(value, sort):
            raise LocalProtocolError(f"{name} of kind {kind}")
        body.append(value)
    return cbor.encode([kind, boot, index, lane, at_us, body], PAYLOAD_SIZE_MAX)


def decode_record(payload: bytes) -> tuple:
    """Return (kind, boot, index, lane, at_us, fields); RemoteProtocolError for anything else."""
    kind, boot, index, lane, at_us, at = read_record_head(payload)
    body = cbor.decode(payload[at:])
    rows = BODIES.get(kind)
    earlier = EARLIER.get(kind, [])
    if rows is not None and isinstance(body, list) and len(body) == len(rows) - len(earlier):
        body = body + earlier
    if rows is None or not isinstance(body, list) or len(body) != len(rows):
        raise RemoteProtocolError("malformed", f"kind {kind}")
    fields = {}
    for (name, sort), value in zip(rows, body):
        if not fits(value, sort):
            raise RemoteProtocolError("malformed", f"{name} of kind {kind}")
        fields[name] = value
    return kind, boot, index, lane, at_us, fields


def fits(value: object, sort: str) -> bool:
    """Tell whether value is of the sort: a number of RANGES, "text", "bool", "bytes", "list"."""
    if sort in RANGES:
        low, high = RANGES[sort]
        return is_integer(value) and low <= value <= high
    if sort == "text":
        return isinstance(value, str) and len(value.encode()) <= TEXT_SIZE_MAX
    if sort == "bytes":
        return isinstance(value, bytes) and 0 < len(value) <= PAYLOAD_SIZE_MAX
    return isinstance(value, bool if sort == "bool" else list)
