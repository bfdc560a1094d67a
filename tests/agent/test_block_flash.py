"""A flash on a block device, which programs whole pages as the RP2040's does."""

from agent.hal.block_flash import BlockFlash

SECTOR = 4096


class BlockDevice:
    """Blocks of NOR flash, with the block protocol of MicroPython."""

    def __init__(self, blocks: int) -> None:
        self.bytes = bytearray(b"\x55" * (blocks * SECTOR))
        self.erased: list[int] = []

    def readblocks(self, block: int, buf: bytearray, offset: int) -> None:
        assert 0 <= offset and offset + len(buf) <= SECTOR
        start = block * SECTOR + offset
        buf[:] = self.bytes[start : start + len(buf)]

    def writeblocks(self, block: int, buf: bytearray, offset: int) -> None:
        assert offset % 256 == 0 and len(buf) == 256
        start = block * SECTOR + offset
        for index in range(len(buf)):
            self.bytes[start + index] &= buf[index]

    def ioctl(self, command: int, argument: int) -> int:
        if command == 6:
            self.erased.append(argument)
            start = argument * SECTOR
            self.bytes[start : start + SECTOR] = b"\xff" * SECTOR
            return 0
        return {4: len(self.bytes) // SECTOR, 5: SECTOR}[command]


def erased_flash() -> "tuple[BlockFlash, BlockDevice]":
    device = BlockDevice(3)
    flash = BlockFlash(device)
    for sector in range(flash.sector_count):
        flash.erase(sector)
    return flash, device


def test_it_is_memory_where_its_device_is() -> None:
    flash, device = erased_flash()
    assert flash.memory() is None
    flash._device = device.bytes
    assert bytes(flash.memory()[SECTOR : SECTOR + 3]) == b"\xff\xff\xff"


def test_it_is_as_large_as_its_device() -> None:
    flash, device = erased_flash()
    assert (flash.sector_size, flash.sector_count) == (SECTOR, 3)
    assert device.erased == [0, 1, 2]


def test_what_is_programmed_is_read_wherever_it_lies() -> None:
    for offset in (0, 1, 255, 256, 4000, 4095, 8191, 3 * SECTOR - 700):
        flash, device = erased_flash()
        data = bytes(range(1, 201)) * 3
        flash.program(offset, data)
        found = bytearray(len(data))
        flash.read_into(offset, found)
        assert found == data
        assert bytes(device.bytes[:offset]) == b"\xff" * offset
        after = len(device.bytes) - offset - len(data)
        assert bytes(device.bytes[offset + len(data) :]) == b"\xff" * after


def test_programming_only_clears_bits_and_leaves_the_neighbours() -> None:
    flash, device = erased_flash()
    flash.program(10, b"\xf0\x0f")
    flash.program(11, b"\xfa")
    assert bytes(device.bytes[9:13]) == b"\xff\xf0\x0a\xff"
    flash.sync()


def test_erasing_takes_one_sector() -> None:
    flash, device = erased_flash()
    flash.program(SECTOR - 1, b"\x01\x02")
    flash.erase(1)
    assert bytes(device.bytes[SECTOR - 1 : SECTOR + 1]) == b"\x01\xff"


def test_what_lies_outside_is_refused() -> None:
    flash, _ = erased_flash()
    for act, *arguments in (
        (flash.program, 3 * SECTOR - 1, b"\x00\x00"),
        (flash.read_into, -1, bytearray(1)),
        (flash.erase, 3),
    ):
        try:
            act(*arguments)
        except ValueError:
            continue
        assert False
