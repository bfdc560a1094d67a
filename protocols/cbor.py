"""The subset of CBOR (RFC 8949) that Hinomi sends, in deterministic form (section 4.2).

Integers of 64 bits, byte and text strings, arrays, maps with sorted unique integer keys, tags,
false, true and null; definite lengths and shortest heads only. No floats: a reading is an
integer with a decimal scale. What is not in the subset is refused, so that equal values
have equal bytes.
"""

import struct

from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.limits import DEPTH_MAX, ITEMS_MAX
from protocols.portable import const

UINT = const(0)
NINT = const(1)
BYTES = const(2)
TEXT = const(3)
ARRAY = const(4)
MAP = const(5)
TAG = const(6)
SIMPLE = const(7)

_INT_MAX = 0xFFFFFFFFFFFFFFFF
# The least argument that needs 1, 2, 4, 8 bytes: a smaller one has a shorter head.
_SHORTEST = (24, 0x100, 0x10000, 0x100000000)


class Tagged:
    """A tagged item: tag number and the value it encloses."""

    def __init__(self, tag: int, value: object) -> None:
        self.tag = tag
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tagged) and (self.tag, self.value) == (other.tag, other.value)

    def __hash__(self) -> int:
        return hash(self.tag)

    def __repr__(self) -> str:
        return f"Tagged({self.tag}, {self.value!r})"


class Writer:
    """Writes items into a buffer that is reused, so that a board does not allocate per item.

    buffer: where the bytes go; LocalProtocolError when it is full.
    """

    def __init__(self, buffer: bytearray) -> None:
        self.buffer = buffer
        self.size = 0

    def reset(self) -> None:
        """Forget what was written."""
        self.size = 0

    def head(self, major: int, value: int) -> None:
        """Write the initial byte and argument of an item (RFC 8949, section 3)."""
        buffer = self.buffer
        at = self.size
        if at + 9 > len(buffer) and at + head_size(value) > len(buffer):
            raise LocalProtocolError(f"buffer of {len(buffer)} bytes is full")
        major <<= 5
        if value < 24:
            buffer[at] = major | value
            self.size = at + 1
        elif value < 0x100:
            buffer[at] = major | 24
            buffer[at + 1] = value
            self.size = at + 2
        elif value < 0x10000:
            buffer[at] = major | 25
            struct.pack_into(">H", buffer, at + 1, value)
            self.size = at + 3
        elif value < 0x100000000:
            buffer[at] = major | 26
            struct.pack_into(">I", buffer, at + 1, value)
            self.size = at + 5
        elif value <= _INT_MAX:
            buffer[at] = major | 27
            struct.pack_into(">Q", buffer, at + 1, value)
            self.size = at + 9
        else:
            raise LocalProtocolError("integer beyond 64 bits")

    def integer(self, value: int) -> None:
        """Write an integer of -2**64 .. 2**64 - 1."""
        if value >= 0:
            self.head(UINT, value)
        else:
            self.head(NINT, -1 - value)

    def raw(self, data: bytes) -> None:
        """Write bytes that are already encoded (or the body of a string)."""
        end = self.size + len(data)
        if end > len(self.buffer):
            raise LocalProtocolError(f"buffer of {len(self.buffer)} bytes is full")
        self.buffer[self.size : end] = data
        self.size = end

    def byte_string(self, data: bytes) -> None:
        """Write a byte string."""
        self.head(BYTES, len(data))
        self.raw(data)

    def text(self, text: str) -> None:
        """Write a text string."""
        try:
            data = text.encode()
        except UnicodeError:
            raise LocalProtocolError("a lone surrogate is no text")
        self.head(TEXT, len(data))
        self.raw(data)

    def value(self, value: object) -> None:
        """Write any value of the subset; maps are dicts with integer keys."""
        if value is None or value is False or value is True:
            self.head(SIMPLE, 22 if value is None else 21 if value else 20)
        elif isinstance(value, int):
            self.integer(value)
        elif isinstance(value, (bytes, bytearray, memoryview)):
            self.byte_string(value)  # type: ignore[arg-type]
        elif isinstance(value, str):
            self.text(value)
        elif isinstance(value, (list, tuple)):
            self.head(ARRAY, len(value))
            for item in value:
                self.value(item)
        elif isinstance(value, dict):
            self._map(value)
        elif isinstance(value, Tagged):
            self.head(TAG, value.tag)
            self.value(value.value)
        else:
            raise LocalProtocolError(f"{type(value)} is not in the subset")

    def _map(self, value: dict) -> None:
        # Bytewise order of encoded keys (RFC 8949, section 4.2.1): 0, 1, .., then -1, -2, ..
        self.head(MAP, len(value))
        for order in sorted([_key_order(key) for key in value]):
            key = order if order <= _INT_MAX else _INT_MAX - order
            self.integer(key)
            self.value(value[key])

    def taken(self) -> bytes:
        """Return a copy of what was written."""
        return bytes(memoryview(self.buffer)[: self.size])


def _key_order(key: int) -> int:
    if not isinstance(key, int) or isinstance(key, bool):
        raise LocalProtocolError("map keys are integers")
    return key if key >= 0 else _INT_MAX - key


def head_size(value: int) -> int:
    """Return how many bytes the head of an item with this argument takes."""
    return (
        1
        if value < 24
        else 2
        if value < 0x100
        else 3
        if value < 0x10000
        else 5
        if value < 0x100000000
        else 9
    )


def encode(value: object, size_max: int = 4096) -> bytes:
    """Return the encoding of value; LocalProtocolError beyond size_max bytes."""
    writer = Writer(bytearray(size_max))
    writer.value(value)
    return writer.taken()


def read_head(data: bytes, at: int) -> tuple:
    """Return (major, argument, next offset) of the item at `at`.

    RemoteProtocolError for a truncated, indefinite, reserved or over-long head.
    """
    if at >= len(data):
        raise RemoteProtocolError("malformed", "ends where an item should begin")
    first = data[at]
    major = first >> 5
    argument = first & 31
    if argument < 24:
        return major, argument, at + 1
    if argument > 27:
        raise RemoteProtocolError("malformed", "indefinite or reserved length")
    size = 1 << (argument - 24)
    end = at + 1 + size
    if end > len(data):
        raise RemoteProtocolError("malformed", "ends inside a head")
    value = int.from_bytes(data[at + 1 : end], "big")
    if value < _SHORTEST[argument - 24]:
        raise RemoteProtocolError("malformed", "not the shortest form")
    return major, value, end


def read_uint(data: bytes, at: int) -> tuple:
    """Return (value, next offset) of the unsigned integer at `at`."""
    first = data[at] if at < len(data) else 0xFF
    if first < 24:
        return first, at + 1
    if first < 28:
        # As read_head, without the call: a hub reads four of these from every frame.
        end = at + 1 + (1 << (first - 24))
        value = int.from_bytes(data[at + 1 : end], "big")
        if value >= _SHORTEST[first - 24] and end <= len(data):
            return value, end
    major, value, at = read_head(data, at)
    if major != UINT:
        raise RemoteProtocolError("malformed", "not an unsigned integer")
    return value, at


def decode(data: bytes) -> object:
    """Return the one value that data encodes; RemoteProtocolError for anything else.

    Arrays become lists, maps dicts, tags Tagged, byte strings bytes.
    """
    value, at = _read(data, 0, 0)
    if at != len(data):
        raise RemoteProtocolError("malformed", "bytes after the end")
    return value


def _read(data: bytes, at: int, depth: int) -> tuple:
    if depth > DEPTH_MAX:
        raise RemoteProtocolError("malformed", "nested too deep")
    major, argument, at = read_head(data, at)
    if major == UINT:
        return argument, at
    if major == NINT:
        return -1 - argument, at
    if major == BYTES or major == TEXT:
        return _read_string(data, at, argument, major)
    if major == ARRAY:
        return _read_array(data, at, argument, depth)
    if major == MAP:
        return _read_map(data, at, argument, depth)
    if major == TAG:
        value, at = _read(data, at, depth + 1)
        return Tagged(argument, value), at
    if data[at - 1] & 31 == argument and 20 <= argument <= 22:
        return (False, True, None)[argument - 20], at
    raise RemoteProtocolError("malformed", "a float or an unknown simple value")


def _read_string(data: bytes, at: int, size: int, major: int) -> tuple:
    if size > len(data) - at:
        raise RemoteProtocolError("malformed", "ends inside a string")
    body = bytes(data[at : at + size])
    if major == BYTES:
        return body, at + size
    try:
        return body.decode(), at + size
    except UnicodeError:
        raise RemoteProtocolError("malformed", "text is not UTF-8")


def _read_array(data: bytes, at: int, count: int, depth: int) -> tuple:
    if count > ITEMS_MAX or count > len(data) - at:
        raise RemoteProtocolError("malformed", "more items than bytes")
    items = []
    for _ in range(count):
        item, at = _read(data, at, depth + 1)
        items.append(item)
    return items, at


def _read_map(data: bytes, at: int, count: int, depth: int) -> tuple:
    if count > ITEMS_MAX or 2 * count > len(data) - at:
        raise RemoteProtocolError("malformed", "more items than bytes")
    items = {}
    last = -1
    for _ in range(count):
        major, argument, at = read_head(data, at)
        if major > NINT:
            raise RemoteProtocolError("malformed", "map key is not an integer")
        key = argument if major == UINT else -1 - argument
        order = _key_order(key)
        if order <= last:
            raise RemoteProtocolError("malformed", "map keys out of order")
        last = order
        items[key], at = _read(data, at, depth + 1)
    return items, at
