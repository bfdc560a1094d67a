"""Series <-> the payload of a batch frame: columns of integers, not records.

    [1, boot, index, lane, start_us, series-list | COSE_Encrypt0(series-list)]
    series = [channel, unit, exponent, multiplier, offset_us, spacing_ns, values]
           | [channel, unit, exponent, multiplier, offset_us, 0, values, times]

A reading is `value * multiplier * 10**exponent` in `unit` (SenML units, RFC 8428 section 12.1),
so that a chip's LSB is exact and nobody multiplies per sample on a board. Times are
microseconds of the sender's boot: start_us + offset_us + k * spacing_ns / 1000. With
spacing 0 the readings are irregular and `times` holds their offsets in microseconds.

Columns are either plain (RFC 8746 typed arrays: tag 77 sint16, tag 78 sint32, little-endian, as a
board holds them) or packed (a byte string): zigzag LEB128 of the differences, the first from 0.
"""

import struct

from protocols import cbor
from protocols.columns import FULL, TOO_WIDE, Column
from protocols.cose import decrypt0, encrypt0, is_encrypt0
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.limits import (
    BOOT_MAX,
    CHANNEL_SIZE_MAX,
    EXPONENT_MAX,
    EXPONENT_MIN,
    INDEX_MAX,
    INT32_MAX,
    INT32_MIN,
    INT64_MAX,
    PAYLOAD_SIZE_MAX,
    SERIES_MAX,
    UNIT_SIZE_MAX,
    VALUES_MAX,
)
from protocols.portable import const
from protocols.vocabulary import KIND_BATCH, KIND_SESSION_FIRST, LANE_WAVE

TAG_SINT16_LE = const(77)
TAG_SINT32_LE = const(78)


class Series:
    """Consecutive readings of one channel.

    scale: (exponent, multiplier). start_us: time of the first on the sender's boot clock.
    values: ints of 32 bits, in a list or a Column. spacing_ns: between two readings; 0: then
    `times_us` has one time (boot clock) for each value.
    plain: travel as a typed array instead of packed.
    """

    def __init__(
        self,
        channel: str,
        unit: str,
        scale: "tuple[int, int]",
        start_us: int,
        *,
        spacing_ns: int,
        values: "list[int] | Column",
        times_us: "list[int] | None" = None,
        plain: bool = False,
    ) -> None:
        self.channel = channel
        self.unit = unit
        self.exponent, self.multiplier = scale
        self.start_us = start_us
        self.spacing_ns = spacing_ns
        self.values = values
        self.times_us = times_us
        self.plain = plain

    def time_us(self, position: int) -> int:
        """Return when the reading at this position was taken."""
        if self.times_us is not None:
            return self.times_us[position]
        return self.start_us + position * self.spacing_ns // 1000

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Series) and _row(self) == _row(other)

    def __repr__(self) -> str:
        return f"Series({self.channel}, {len(self.values)} values from {self.start_us} us)"


def _row(series: Series) -> tuple:
    return (series.channel, series.unit, series.exponent, series.multiplier, series.start_us,
            series.spacing_ns, list(series.values), series.times_us)  # fmt: skip


class Batch:
    """A decoded batch. series is None while a personal batch is still encrypted."""

    def __init__(self, head: tuple, series: "list[Series] | None") -> None:
        self.boot, self.index, self.lane, self.start_us = head
        self.series = series

    def readings_count(self) -> int:
        """Return the number of readings; 0 while encrypted."""
        return sum(len(series.values) for series in self.series or ())


def encode_batch(head: tuple, series: "list[Series]", personal: "tuple | None" = None) -> bytes:
    """Return the payload of a batch frame.

    head: (boot, index, lane, start_us). personal: (key, iv) encrypts the series.
    LocalProtocolError where a value or the whole does not fit.
    """
    check_head(head)
    start_us = head[3]
    writer = cbor.Writer(bytearray(PAYLOAD_SIZE_MAX))
    writer.head(cbor.ARRAY, 6)
    writer.integer(KIND_BATCH)
    for number in head:
        writer.integer(number)
    if personal is None:
        _write_list(writer, series, start_us)
    else:
        inner = cbor.Writer(bytearray(PAYLOAD_SIZE_MAX))
        _write_list(inner, series, start_us)
        writer.value(encrypt0(personal[0], personal[1], inner.taken()))
    return writer.taken()


def check_head(head: tuple) -> None:
    """Raise LocalProtocolError unless head (boot, index, lane, start_us) is within its limits."""
    boot, index, lane, start_us = head
    if not (0 <= boot <= BOOT_MAX and 0 <= index <= INDEX_MAX):
        raise LocalProtocolError(f"boot {boot}, index {index}")
    if not (0 <= lane <= LANE_WAVE and 0 <= start_us <= INT64_MAX):
        raise LocalProtocolError(f"lane {lane} at {start_us} us")


def _write_list(writer: cbor.Writer, series: "list[Series]", start_us: int) -> None:
    if not 1 <= len(series) <= SERIES_MAX:
        raise LocalProtocolError(f"a batch has 1..{SERIES_MAX} series")
    writer.head(cbor.ARRAY, len(series))
    for one in series:
        _write_series(writer, one, start_us)


def _write_series(writer: cbor.Writer, series: Series, start_us: int) -> None:
    fault = _fault(series)
    if fault:
        raise LocalProtocolError(series.channel + ": " + fault)
    writer.head(cbor.ARRAY, 7 if series.times_us is None else 8)
    writer.text(series.channel)
    writer.text(series.unit)
    writer.integer(series.exponent)
    writer.integer(series.multiplier)
    writer.integer(series.start_us - start_us)
    writer.integer(series.spacing_ns)
    if isinstance(series.values, Column):
        _write_column(writer, series.values, series.plain)
    elif series.plain:
        write_plain(writer, series.values)
    else:
        writer.byte_string(pack(series.values))
    if series.times_us is not None:
        writer.byte_string(pack([time_us - series.start_us for time_us in series.times_us]))


def _fault(series: Series) -> str:
    """Return what the wire does not allow of a series, or "": one rule for both directions."""
    count = len(series.values)
    if not 1 <= count <= VALUES_MAX:
        return f"not 1..{VALUES_MAX} values"
    if not 1 <= len(series.channel.encode()) <= CHANNEL_SIZE_MAX:
        return f"not 1..{CHANNEL_SIZE_MAX} bytes of channel name"
    if len(series.unit.encode()) > UNIT_SIZE_MAX:
        return f"more than {UNIT_SIZE_MAX} bytes of unit"
    if not EXPONENT_MIN <= series.exponent <= EXPONENT_MAX:
        return f"exponent {series.exponent}"
    if not (INT32_MIN <= series.multiplier <= INT32_MAX and series.multiplier):
        return f"multiplier {series.multiplier}"
    values = series.values
    # A typed array cannot hold more than 32 bits, a Column neither, and write_plain looks for
    # itself.
    if not (series.plain or isinstance(values, Column)):
        if min(values) < INT32_MIN or max(values) > INT32_MAX:
            return "a value beyond 32 bits"
    return _time_fault(series, count)


def _time_fault(series: Series, count: int) -> str:
    times_us = series.times_us
    if not 0 <= series.spacing_ns <= INT64_MAX or (series.spacing_ns != 0) != (times_us is None):
        return "neither a spacing nor times, or both"
    if times_us is None:
        times_us = [series.start_us, series.time_us(count - 1)]
    elif len(times_us) != count:
        return "not one time for each value"
    if series.start_us < 0 or min(times_us) < 0 or max(times_us) > INT64_MAX:
        return "a time outside of 63 bits"
    return ""


def _write_column(writer: cbor.Writer, column: Column, plain: bool) -> None:
    """Write the same bytes as of a list, straight into the buffer of the writer."""
    if not plain:
        _write_packed(writer, column)
        return
    size = writer.size
    for tag, width in ((TAG_SINT16_LE, 2), (TAG_SINT32_LE, 4)):
        writer.size = size
        writer.head(cbor.TAG, tag)
        writer.head(cbor.BYTES, width * len(column))
        end = column.write_into(writer.buffer, writer.size, width)
        if end == FULL:
            raise LocalProtocolError(f"buffer of {len(writer.buffer)} bytes is full")
        if end != TOO_WIDE:
            writer.size = end
            return


def _write_packed(writer: cbor.Writer, column: Column) -> None:
    """The body comes first, where it lies behind a head of 3 bytes: its size is not known."""
    buffer = writer.buffer
    body = writer.size + 3
    end = column.pack_into(buffer, body)
    if end == TOO_WIDE:
        writer.byte_string(pack(list(column)))
        return
    if end == FULL:
        raise LocalProtocolError(f"buffer of {len(buffer)} bytes is full")
    writer.head(cbor.BYTES, end - body)
    at = writer.size
    if at != body:
        buffer[at : at + end - body] = buffer[body:end]
    writer.size = at + end - body


def write_plain(writer: cbor.Writer, values: list) -> None:
    """Write values as a typed array, of 16 bits where they fit, else of 32."""
    low = min(values)
    high = max(values)
    if low >= -0x8000 and high <= 0x7FFF:
        tag, code, size = TAG_SINT16_LE, "h", 2
    elif low >= INT32_MIN and high <= INT32_MAX:
        tag, code, size = TAG_SINT32_LE, "i", 4
    else:
        raise LocalProtocolError("a value beyond 32 bits")
    writer.head(cbor.TAG, tag)
    writer.head(cbor.BYTES, size * len(values))
    writer.raw(struct.pack(f"<{len(values)}{code}", *values))


def pack(values: list) -> bytes:
    """Return zigzag LEB128 of the differences: one byte for steps of -64..63."""
    output = bytearray()
    last = 0
    for value in values:
        step = value - last
        last = value
        step = step << 1 if step >= 0 else (-step << 1) - 1
        while step > 0x7F:
            output.append(step & 0x7F | 0x80)
            step >>= 7
        output.append(step)
    return bytes(output)


def unpack(data: bytes) -> list:
    """Undo pack; RemoteProtocolError for a truncated or over-long column."""
    values = []
    last = 0
    step = 0
    shift = 0
    for byte in data:
        step |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            if shift > 63:
                raise RemoteProtocolError("malformed", "packed difference beyond 64 bits")
            continue
        if shift and not byte:
            raise RemoteProtocolError("malformed", "packed difference not in shortest form")
        last += step >> 1 if not step & 1 else -((step + 1) >> 1)
        values.append(last)
        step = 0
        shift = 0
    if shift:
        raise RemoteProtocolError("malformed", "packed column ends inside a value")
    return values


def read_record_head(payload: bytes) -> tuple:
    """Return (kind, boot, index, lane, start_us, offset of the rest) of any stored record.

    The cheap part that a hub needs of every frame; RemoteProtocolError when it is not one.
    """
    if len(payload) < 7 or payload[0] != 0x86:
        raise RemoteProtocolError("malformed", "not a record")
    kind = payload[1]
    if not 0 < kind < KIND_SESSION_FIRST:
        raise RemoteProtocolError("malformed", "not a record")
    boot, at = cbor.read_uint(payload, 2)
    index, at = cbor.read_uint(payload, at)
    lane, at = cbor.read_uint(payload, at)
    start_us, at = cbor.read_uint(payload, at)
    if boot > BOOT_MAX or index > INDEX_MAX or lane > LANE_WAVE or start_us > INT64_MAX:
        raise RemoteProtocolError("malformed", "head of a record")
    return kind, boot, index, lane, start_us, at


def decode_batch(payload: bytes, personal_key: "bytes | None" = None) -> Batch:
    """Return the batch in payload; without personal_key the series of a personal one stay None."""
    kind, boot, index, lane, start_us, at = read_record_head(payload)
    if kind != KIND_BATCH:
        raise RemoteProtocolError("malformed", f"kind {kind} is no batch")
    rows = cbor.decode(payload[at:])
    if is_encrypt0(rows):
        if personal_key is None:
            return Batch((boot, index, lane, start_us), None)
        rows = cbor.decode(decrypt0(personal_key, rows))
    if not isinstance(rows, list) or not 1 <= len(rows) <= SERIES_MAX:
        raise RemoteProtocolError("malformed", "series list")
    return Batch((boot, index, lane, start_us), [_read_series(row, start_us) for row in rows])


def _read_series(row: object, start_us: int) -> Series:
    if not isinstance(row, list) or len(row) not in (7, 8):
        raise RemoteProtocolError("malformed", "series")
    texts_fit = isinstance(row[0], str) and isinstance(row[1], str)
    if not texts_fit or not all(is_integer(field) for field in row[2:6]):
        raise RemoteProtocolError("malformed", "series fields")
    values = _read_column(row[6])
    first_us = start_us + row[4]
    times_us = None
    if len(row) == 8:
        if not isinstance(row[7], bytes):
            raise RemoteProtocolError("malformed", "times")
        times_us = [first_us + offset for offset in unpack(row[7])]
    series = Series(
        row[0],
        row[1],
        (row[2], row[3]),
        first_us,
        spacing_ns=row[5],
        values=values,
        times_us=times_us,
        plain=isinstance(row[6], cbor.Tagged),
    )
    fault = _fault(series)
    if fault:
        raise RemoteProtocolError("malformed", fault)
    return series


def is_integer(value: object) -> bool:
    """Tell whether value is an int and not a bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def _read_column(column: object) -> list:
    values = None
    if isinstance(column, bytes):
        values = unpack(column)
    elif isinstance(column, cbor.Tagged) and isinstance(column.value, bytes):
        size = {TAG_SINT16_LE: 2, TAG_SINT32_LE: 4}.get(column.tag, 0)
        if size and len(column.value) % size == 0:
            count = len(column.value) // size
            code = "h" if size == 2 else "i"
            values = list(struct.unpack(f"<{count}{code}", column.value))
    if values is None:
        raise RemoteProtocolError("malformed", "column")
    return values
