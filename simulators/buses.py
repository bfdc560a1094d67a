"""I2C and SPI of a simulated board: transfers to models of chips, and what a faulty one does."""

from typing import TYPE_CHECKING, Any

from agent.hal.errors import ENODEV, ETIMEDOUT

if TYPE_CHECKING:
    from simulators.board import Power

Buffer = bytes | bytearray | memoryview
WritableBuffer = bytearray | memoryview


class I2c:
    """One I2C bus. A chip with the fault "stuck_bus" silences the whole bus."""

    def __init__(self, power: "Power", world_clock: Any, chips: dict[int, Any]) -> None:
        self._power = power
        self._world_clock = world_clock
        self._chips = chips

    def writeto(self, addr: int, buf: bytes) -> None:
        """Write buf to the chip at addr."""
        chip = self._chip(addr)
        now_us = self._world_clock.now_us()
        if is_dipping(chip):
            brown_out(chip, now_us)
            raise OSError(ENODEV)  # it acknowledges no further byte
        chip.i2c_write(bytes(buf), now_us)

    def readfrom_into(self, addr: int, buf: WritableBuffer) -> None:
        """Fill buf from the chip at addr."""
        chip = self._chip(addr)
        now_us = self._world_clock.now_us()
        data = bytearray(len(buf))
        chip.i2c_read_into(data, now_us)
        if is_dipping(chip):
            brown_out(chip, now_us, data)
        buf[:] = data

    def readfrom_mem_into(self, addr: int, register: int, buf: WritableBuffer) -> None:
        """Write the register's number, then fill buf after a repeated start."""
        self._chip(addr).i2c_write(bytes((register,)), self._world_clock.now_us())
        self.readfrom_into(addr, buf)

    def writeto_mem(self, addr: int, register: int, buf: Buffer) -> None:
        """Write the register's number and buf in one message."""
        self.writeto(addr, bytes((register,)) + bytes(buf))

    def _chip(self, addr: int) -> Any:
        self._power.check()
        if any(chip.fault == "stuck_bus" for chip in self._chips.values()):
            raise OSError(ETIMEDOUT)
        chip = self._chips.get(addr)
        if chip is None or chip.fault == "nack":
            raise OSError(ENODEV)
        return chip


class SpiDevice:
    """One chip select on an SPI bus. Nobody there: MISO floats high; stuck bus: it is held low."""

    def __init__(self, power: "Power", world_clock: Any, chip: Any) -> None:
        self._power = power
        self._world_clock = world_clock
        self._chip = chip

    def transfer(self, out: Buffer, into: WritableBuffer) -> None:
        """Clock out and into through each other, chip select low throughout; equal lengths."""
        self._power.check()
        assert len(out) == len(into)
        fault = "nack" if self._chip is None else self._chip.fault
        if fault == "nack" or fault == "stuck_bus":
            into[:] = (b"\xff" if fault == "nack" else b"\x00") * len(into)
        else:
            now_us = self._world_clock.now_us()
            self._chip.spi_transfer(out, into, now_us)
            if is_dipping(self._chip):
                brown_out(self._chip, now_us, into)


def is_dipping(chip: Any) -> bool:
    """Return whether this transfer is the one that the fault "brown_out" hits; count it if not."""
    if chip.fault != "brown_out":
        return False
    chip.brown_out_after -= 1
    return bool(chip.brown_out_after < 0)


def brown_out(chip: Any, now_us: int, data: WritableBuffer | None = None) -> None:
    """The chip's supply dips in the middle of a transfer, once; then it begins anew.

    The second half of the data it was sending floats high.
    """
    if data:
        kept = len(data) // 2
        data[kept:] = b"\xff" * (len(data) - kept)
    chip.fault = None
    chip.brown_out_after = 0
    chip.power_on(now_us)
