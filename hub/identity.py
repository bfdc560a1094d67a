"""Who sent a frame, and which of its frames it is: read from the frame itself, unverified."""

from protocols.batch import read_record_head
from protocols.cose import Mac0, sender_of
from protocols.limits import KEY_SIZE

_heads: dict[str, Mac0] = {}  # by name: making one costs more than reading a frame
_NAMES_MAX = 10_000


def identity_of(frame: bytes) -> tuple[str, tuple[int, int, int]]:
    """Return (device, (boot, index, lane)); RemoteProtocolError where it is no record.

    Nothing is authenticated here: for frames whose code was checked, or need not be.
    """
    device = sender_of(frame)
    head = _heads.get(device)
    if head is None:
        if len(_heads) >= _NAMES_MAX:
            _heads.clear()
        head = _heads[device] = Mac0(device, bytes(KEY_SIZE))
    _, boot, index, lane, *_ = read_record_head(head.peek(frame))
    return device, (boot, index, lane)
