"""Frames on their way from a hub to a platform: many in one message, byte for byte as they came.

    [1, hub, lane, first, historical, count, bstr(length-prefixed frames)]

first: the sequence number of the first frame within that lane of that hub; gap-free but for what was
evicted. historical: true for what waited while the line was cut. The frames carry their own authentication;
the bundle adds nothing that a platform must trust.
"""

from protocols import cbor
from protocols.errors import RemoteProtocolError
from protocols.framing import Splitter
from protocols.limits import BUNDLE_SIZE_MAX

VERSION = 1


class Bundle:
    """lane, first, historical and the frames of one bundle. blob: the frames with their length prefixes."""

    def __init__(self, hub: str, position: tuple, historical: bool, count: int, blob: bytes) -> None:  # type: ignore[type-arg]
        self.hub = hub
        self.lane, self.first = position
        self.historical = historical
        self.count = count
        self.blob = blob

    def frames(self) -> list:  # type: ignore[type-arg]
        """Return the frames; RemoteProtocolError when the blob is not `count` whole frames."""
        splitter = Splitter()
        frames = splitter.feed(self.blob)
        if len(frames) != self.count or not splitter.is_between_frames():
            raise RemoteProtocolError("malformed", "bundle")
        return frames


def encode_bundle(bundle: Bundle) -> bytes:
    """Return the message of a bundle."""
    writer = cbor.Writer(bytearray(len(bundle.blob) + 96))
    writer.head(cbor.ARRAY, 7)
    writer.integer(VERSION)
    writer.text(bundle.hub)
    writer.integer(bundle.lane)
    writer.integer(bundle.first)
    writer.value(bundle.historical)
    writer.integer(bundle.count)
    writer.byte_string(bundle.blob)
    return writer.taken()


def decode_bundle(data: bytes) -> Bundle:
    """Return the bundle in data; RemoteProtocolError for anything else."""
    if len(data) > BUNDLE_SIZE_MAX + 96:
        raise RemoteProtocolError("oversize", "bundle of %d bytes" % len(data))
    items = cbor.decode(data)
    if not isinstance(items, list) or len(items) != 7 or items[0] != VERSION:
        raise RemoteProtocolError("malformed", "bundle")
    sorts = (str, int, int, bool, int, bytes)
    if not all(isinstance(item, sort) for item, sort in zip(items[1:], sorts)):
        raise RemoteProtocolError("malformed", "bundle")
    _, hub, lane, first, historical, count, blob = items
    return Bundle(hub, (lane, first), historical, count, blob)
