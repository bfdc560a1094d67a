"""The load of all benchmarks of the hub: frames of 100 readings, sealed beforehand."""

from dataclasses import dataclass

from protocols import cbor
from protocols.batch import Series, encode_batch, read_record_head
from protocols.cose import DeviceKeys
from protocols.framing import prefixed
from protocols.vocabulary import KIND_BATCH, LANE_STATE

DEVICES_COUNT = 50
READINGS_COUNT = 100
# Beyond 16 bits, so that a reading takes four bytes.
_FIRST_VALUE = 100_000


def device_name(number: int) -> str:
    """Return the name of a device of the benchmark."""
    return f"bench-{number}"


def secret_of(number: int) -> bytes:
    """Return a fixed secret, so that frames may be sealed before the hub is set up."""
    return bytes([number]) * 32


@dataclass
class Stream:
    """What one connection sends. ends: the offset in blob at which each frame is whole."""

    blob: bytearray
    ends: list[int]


def sealed_stream(number: int, boot: int, count: int) -> Stream:
    """Return frames 0..count of a boot of a device, each with its length in front."""
    keys = DeviceKeys(device_name(number), secret_of(number))
    rest = _series_bytes()
    stream = Stream(bytearray(), [])
    for index in range(count):
        head = b"".join(map(cbor.encode, (KIND_BATCH, boot, index, LANE_STATE, index * 1_000_000)))
        stream.blob += prefixed(keys.up.seal(b"\x86" + head + rest))
        stream.ends.append(len(stream.blob))
    return stream


def _series_bytes() -> bytes:
    values = [_FIRST_VALUE + 7 * position for position in range(READINGS_COUNT)]
    series = Series("level", "m", (-3, 1), 0, spacing_ns=10_000_000, values=values, plain=True)
    payload = encode_batch((0, 0, LANE_STATE, 0), [series])
    return payload[read_record_head(payload)[5] :]


def identity_of(frame: bytes) -> tuple[bytes, int, int]:
    """Return (authenticated head, boot, index): the head names the sender."""
    at = 4 + (frame[3] if frame[2] == 0x58 else frame[2] - 0x40) + (frame[2] == 0x58)
    _, _, at = cbor.read_head(frame, at)
    boot, after = cbor.read_uint(frame, at + 2)
    index, _ = cbor.read_uint(frame, after)
    return frame[:at], boot, index
