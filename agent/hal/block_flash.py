"""A flash on a MicroPython block device: the port's Flash over rp2.Flash or esp32.Partition.

Block protocol with offsets (MicroPython documentation, vfs.AbstractBlockDev): `readblocks(block,
buf, offset)`, `writeblocks(block, buf, offset)` without erasing, `ioctl(4)` blocks, `ioctl(5)`
block size, `ioctl(6, block)` erase.
"""

from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BLOCK_COUNT = const(4)
_BLOCK_SIZE = const(5)
_BLOCK_ERASE = const(6)
# The RP2040's SDK programs whole pages only (flash_range_program). 0xFF around the data leaves
# the page's other bytes as they are.
_PAGE_SIZE = const(256)


class BlockFlash:
    """Flash of all blocks of `device`: a raw region that no file system lives in."""

    def __init__(self, device: "Any") -> None:
        self._device = device
        self.sector_size = device.ioctl(_BLOCK_SIZE, 0)
        self.sector_count = device.ioctl(_BLOCK_COUNT, 0)
        self._page = bytearray(_PAGE_SIZE)

    def read_into(self, offset: int, buf: "bytearray | memoryview[int]") -> None:
        """Fill buf from offset."""
        self._check(offset, len(buf))
        view = memoryview(buf)
        at = 0
        while at < len(buf):
            sector, inside = divmod(offset + at, self.sector_size)
            size = min(len(buf) - at, self.sector_size - inside)
            self._device.readblocks(sector, view[at : at + size], inside)
            at += size

    def memory(self) -> "Any":
        """Return all of it as memory that code can run from, or None where it is none.

        RP2: the window through which the processor runs its own firmware. ESP32: mapped by a
        firmware that knows ROMFS; the others' Partition is no buffer.
        """
        try:
            return memoryview(self._device)
        except TypeError:
            return None

    def program(self, offset: int, data: "bytes | bytearray | memoryview[int]") -> None:
        """Clear bits from offset on: what is there, and data."""
        self._check(offset, len(data))
        at = 0
        while at < len(data):
            inside = (offset + at) % _PAGE_SIZE
            size = min(len(data) - at, _PAGE_SIZE - inside)
            self._program_page(offset + at - inside, inside, data[at : at + size])
            at += size

    def erase(self, sector: int) -> None:
        """Set every byte of the sector to 0xFF."""
        self._check(sector * self.sector_size, self.sector_size)
        self._device.ioctl(_BLOCK_ERASE, sector)

    def sync(self) -> None:
        """Nothing to do: program and erase return when the chip is done."""

    def _program_page(self, offset: int, inside: int, data: "Any") -> None:
        page = self._page
        for index in range(_PAGE_SIZE):
            page[index] = 0xFF
        page[inside : inside + len(data)] = data
        self._device.writeblocks(offset // self.sector_size, page, offset % self.sector_size)

    def _check(self, offset: int, size: int) -> None:
        if not 0 <= offset <= offset + size <= self.sector_size * self.sector_count:
            raise ValueError("outside of the flash")
