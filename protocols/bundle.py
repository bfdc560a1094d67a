"""Frames on their way from a hub to a platform: many in one message, byte for byte as they came.

    [1, hub, lane, first, historical, count, bstr(length-prefixed frames)]

first: the sequence number of the first frame within that lane of that hub; gap-free but for what
was evicted. historical: true for what waited while the line was cut. The frames carry their own
authentication; the bundle adds nothing that a platform must trust.
"""

from protocols import cbor
from protocols.errors import LocalProtocolError, RemoteProtocolError
from protocols.framing import Splitter
from protocols.limits import BUNDLE_SIZE_MAX, DEVICE_NAME_SIZE_MAX
from protocols.records import fits

VERSION = 1
# Room for everything but the frames: the name of a hub is as long as that of a device.
_HEAD_SIZE_MAX = 96


class Bundle:
    """Frames of one lane. position: (lane, first). blob: the frames with their length prefixes."""

    def __init__(
        self, hub: str, position: "tuple[int, int]", historical: bool, *, count: int, blob: bytes
    ) -> None:
        self.hub = hub
        self.lane, self.first = position
        self.historical = historical
        self.count = count
        self.blob = blob

    def frames(self) -> list:
        """Return the frames; RemoteProtocolError when the blob is not `count` whole frames."""
        splitter = Splitter()
        frames = splitter.feed(self.blob)
        if len(frames) != self.count or not splitter.is_between_frames():
            raise RemoteProtocolError("malformed", "bundle")
        return frames


def encode_bundle(bundle: Bundle) -> bytes:
    """Return the message of a bundle; LocalProtocolError where a field does not fit."""
    if not _fits(bundle):
        raise LocalProtocolError(f"bundle of {bundle.count} frames")
    writer = cbor.Writer(bytearray(_HEAD_SIZE_MAX))
    writer.head(cbor.ARRAY, 7)
    writer.integer(VERSION)
    writer.text(bundle.hub)
    writer.integer(bundle.lane)
    writer.integer(bundle.first)
    writer.value(bundle.historical)
    writer.integer(bundle.count)
    writer.head(cbor.BYTES, len(bundle.blob))
    return writer.taken() + bundle.blob


def decode_bundle(data: bytes) -> Bundle:
    """Return the bundle in data; RemoteProtocolError for anything else."""
    if len(data) > BUNDLE_SIZE_MAX + _HEAD_SIZE_MAX:
        raise RemoteProtocolError("oversize", f"bundle of {len(data)} bytes")
    items = cbor.decode(data)
    if not isinstance(items, list) or len(items) != 7:
        raise RemoteProtocolError("malformed", "bundle")
    version, hub, lane, first, historical, count, blob = items
    bundle = Bundle(hub, (lane, first), historical, count=count, blob=blob)
    if version is True or version != VERSION or not _fits(bundle):
        raise RemoteProtocolError("malformed", "bundle")
    return bundle


def _fits(bundle: Bundle) -> bool:
    return (
        isinstance(bundle.hub, str)
        and 1 <= len(bundle.hub.encode()) <= DEVICE_NAME_SIZE_MAX
        and fits(bundle.lane, "lane")
        and fits(bundle.first, "uint")
        and fits(bundle.historical, "bool")
        and fits(bundle.count, "uint")
        and bundle.count > 0
        and isinstance(bundle.blob, bytes)
        and len(bundle.blob) <= BUNDLE_SIZE_MAX
    )
