"""A simulated 1-Wire bus, slot by slot: whoever pulls the wire low wins.

A chip has `fault`, onewire_reset(now_us), onewire_write(bit, now_us), onewire_read(now_us) -> bit.
"""

from typing import Any

Buffer = bytes | bytearray | memoryview
WritableBuffer = bytearray | memoryview

SEARCH_ROM = 0xF0
ROM_BITS = 64


class OneWire:
    """The bus as one boot of the board sees it."""

    def __init__(self, power: Any, world_clock: Any, chips: list[Any]) -> None:
        self._power = power
        self._world_clock = world_clock
        self._chips = chips

    def reset(self) -> bool:
        """Reset the bus; return whether somebody holds it low after that."""
        self._power.check()
        for chip in self._answering():
            chip.onewire_reset(self._world_clock.now_us())
        return self._is_stuck() or bool(self._answering())

    def write(self, buf: Buffer) -> None:
        """Send bytes, least bit first."""
        for byte in buf:
            for at in range(8):
                self._write_bit(byte >> at & 1)

    def read_into(self, buf: WritableBuffer) -> None:
        """Fill buf."""
        for index in range(len(buf)):
            buf[index] = sum(self._read_bit() << at for at in range(8))

    def search(self) -> list[bytes]:
        """Return the addresses of all on the bus.

        Each pass walks down the tree of addresses and turns once, at the last fork not yet
        taken (Analog Devices, application note 187).
        """
        self._power.check()
        if self._is_stuck():
            return [bytes(ROM_BITS // 8)]  # every slot reads 0
        found: list[bytes] = []
        fork, path = ROM_BITS, 0
        while fork >= 0:
            path, fork = self._walk(path, fork)
            if path < 0:
                break
            found.append(path.to_bytes(ROM_BITS // 8, "little"))
        return found

    def _walk(self, path: int, fork: int) -> tuple[int, int]:
        """Return (address, the last fork where 0 was taken; -1 for none); (-1, -1): nobody."""
        if not self.reset():
            return -1, -1
        self.write(bytes((SEARCH_ROM,)))
        address, next_fork = 0, -1
        for at in range(ROM_BITS):
            one, other = self._read_bit(), self._read_bit()
            if one and other:
                return -1, -1
            bit = one
            if not one and not other:
                bit = 1 if at == fork else path >> at & 1 if at < fork and fork < ROM_BITS else 0
                if not bit:
                    next_fork = at
            self._write_bit(bit)
            address |= bit << at
        return address, next_fork

    def _answering(self) -> list[Any]:
        return [chip for chip in self._chips if chip.fault != "nack"]

    def _is_stuck(self) -> bool:
        return any(chip.fault == "stuck_bus" for chip in self._chips)

    def _write_bit(self, bit: int) -> None:
        self._power.check()
        for chip in self._answering():
            chip.onewire_write(0 if self._is_stuck() else bit, self._world_clock.now_us())

    def _read_bit(self) -> int:
        self._power.check()
        now_us = self._world_clock.now_us()
        bits = [chip.onewire_read(now_us) for chip in self._answering()]
        return 0 if self._is_stuck() or 0 in bits else 1
