"""How far the log was synced, beside the log: what tells a torn write from lost data.

After a power cut the last transaction of a log may be torn: that is no damage, nobody was told
that it is durable. Data rotten or cut off at the end of a log looks the same. So after each
commit, when its sync is done, the numbers it reached are put into a file of their own, without a
sync: what the file says was durable before, whatever became of the file itself since.
"""

import os
import struct
from pathlib import Path
from zlib import crc32

from protocols.vocabulary import LANES

FILE = "hub.synced"
_LAYOUT = struct.Struct(f"<{len(LANES) + 1}q")


class Synced:
    """Writes the file. following: of each lane, the number after its newest durable frame."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o644)

    def note(self, following: list[int], boot: int) -> None:
        """Say what is durable now; a file that cannot be written says less, never more."""
        packed = _LAYOUT.pack(*following, boot)
        try:
            os.pwrite(self._file, packed + crc32(packed).to_bytes(4, "little"), 0)
        except OSError:  # a full disk: the next commit tries again
            pass

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_synced(folder: Path) -> tuple[list[int], int]:
    """Return following of each lane and the hub's boot, as far as is known; zeros for nothing."""
    try:
        data = (folder / FILE).read_bytes()
    except OSError:
        data = b""
    packed, crc = data[: _LAYOUT.size], data[_LAYOUT.size : _LAYOUT.size + 4]
    if len(crc) < 4 or crc32(packed).to_bytes(4, "little") != crc:
        return [0 for _ in LANES], 0
    *following, boot = _LAYOUT.unpack(packed)
    return following, boot
