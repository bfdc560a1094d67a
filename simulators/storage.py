"""Storage that fails as the real one does: NOR flash that loses power in the middle of a byte.

Runs on MicroPython too, so that the tests of the flash log do.
"""

ERASED = 0xFF


class PowerCut(BaseException):
    """The supply went away during a flash operation. No Exception: no code under test survives."""


class SimFlash:
    """NOR flash in memory with the face of agent/hal: bits go 1 -> 0 until their sector is erased.

    data: the content; copy it to look at, or to begin again from, a moment.
    erase_counts: erases of each sector; program_count, program_bytes, sync_count: what else was
    asked. seed: of what a cut leaves behind. scattered: a cut leaves all bytes of the operation in
    doubt, as page-wise programming does, instead of a clean part and a remainder.
    """

    def __init__(
        self,
        sector_size: int = 4096,
        sector_count: int = 128,
        *,
        seed: int = 1,
        scattered: bool = False,
    ) -> None:
        self.sector_size = sector_size
        self.sector_count = sector_count
        self.data = bytearray(b"\xff" * (sector_size * sector_count))
        self.erase_counts = [0] * sector_count
        self.program_count = 0
        self.program_bytes = 0
        self.sync_count = 0
        self._stuck: dict[int, int] = {}
        self._random = seed
        self._scattered = scattered
        self._bytes_left = -1  # until the power is cut; -1: never
        self._is_powered = True

    def cut_after(self, byte_count: int) -> None:
        """Cut the power once byte_count >= 0 more bytes were programmed or erased."""
        self._bytes_left = byte_count

    def power_on(self) -> None:
        """Supply comes (back) up, and stays."""
        self._bytes_left = -1
        self._is_powered = True

    def flip(self, offset: int, bit: int) -> None:
        """A bit error: bit (0..7) of the byte at offset reads as its opposite from now on."""
        self.data[offset] ^= 1 << bit

    def wear_out(self, offset: int, bit: int) -> None:
        """That bit stays 1 from now on, whatever is programmed."""
        self._stuck[offset] = self._stuck.get(offset, 0) | 1 << bit

    def read_into(self, offset: int, buf: "bytearray | memoryview") -> None:
        """Fill buf with what lies at offset."""
        self._check(offset, len(buf))
        buf[:] = self.data[offset : offset + len(buf)]

    def program(self, offset: int, data: "bytes | bytearray | memoryview") -> None:
        """Clear the bits that are 0 in data; ValueError where data would set one (our bug)."""
        self._check(offset, len(data))
        before = int.from_bytes(self.data[offset : offset + len(data)], "little")
        if int.from_bytes(data, "little") & ~before:
            raise ValueError(f"programs a 0 to 1 from {offset} on")
        self.program_count += 1
        self.program_bytes += len(data)
        self._write(offset, data)

    def erase(self, sector: int) -> None:
        """Set every bit of a sector."""
        offset = sector * self.sector_size
        self._check(offset, self.sector_size)
        self.erase_counts[sector] += 1
        self._write(offset, b"\xff" * self.sector_size)

    def sync(self) -> None:
        """Return once all is durable: at once."""
        self._check(0, 0)
        self.sync_count += 1

    def _check(self, offset: int, size: int) -> None:
        if not self._is_powered:
            raise PowerCut
        if offset < 0 or offset + size > len(self.data):
            raise ValueError(f"outside of the flash: {offset}")

    def _write(self, offset: int, data: "bytes | bytearray | memoryview") -> None:
        size = len(data)
        if 0 <= self._bytes_left < size:
            self._tear(offset, data, self._bytes_left)
            self._is_powered = False
            raise PowerCut
        if self._bytes_left >= 0:
            self._bytes_left -= size
        self.data[offset : offset + size] = data
        for at in self._stuck:
            if offset <= at < offset + size:
                self.data[at] |= self._stuck[at]

    def _tear(self, offset: int, data: "bytes | bytearray | memoryview", done: int) -> None:
        # The byte under way, or all of them if scattered, has any mix of old and new bits.
        size = len(data)
        if self._scattered:
            doubtful = range(size)
        else:
            self.data[offset : offset + done] = data[:done]
            doubtful = range(done, done + 1)
        for at in doubtful:
            mask = self._next_random()
            self.data[offset + at] = self.data[offset + at] & mask | data[at] & ~mask & ERASED

    def _next_random(self) -> int:
        # Numerical Recipes' linear congruence, upper byte; MicroPython lacks random.Random.
        self._random = (self._random * 1664525 + 1013904223) & 0xFFFFFFFF
        return self._random >> 24
