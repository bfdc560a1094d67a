"""DS18B20 thermometer at the level of 1-Wire slots (Analog Devices, DS18B20 data sheet, rev. 6).

Modelled: search, match, skip and read ROM; convert (slots read 0 while it goes on), read, write
and copy scratchpad, recall, read power supply; the scratchpad's power-up values (85 degrees) and
its CRC, the EEPROM that survives, the four resolutions with their times and undefined bits, the
accuracy of +-0.5 degrees. Not modelled: alarm search, the supply's own dips in parasite mode.

Signal: temperature in degrees Celsius.
"""

from typing import Any

from simulators.chips.chip import Chip

READ_ROM, MATCH_ROM, SKIP_ROM, SEARCH_ROM = 0x33, 0x55, 0xCC, 0xF0
CONVERT, WRITE, READ, COPY, RECALL, POWER_SUPPLY = 0x44, 0x4E, 0xBE, 0x48, 0xB8, 0xB4
FAMILY, FAMILY_DS18S20 = 0x28, 0x10
FACTORY_EEPROM = b"\x4b\x46\x7f"
POWER_UP_RAW = 0x0550  # 85 degrees
CONVERSION_US_MAX = 750_000  # at 12 bits; the typical chip is faster
ACCURACY_TYPICAL, ACCURACY_MAX = 0.2, 0.5
RAW_MIN, RAW_MAX = -55 * 16, 125 * 16


class Ds18b20Chip(Chip):
    """One sensor. Its address: settings "rom", else drawn by the seed.

    options: "parasite" (True: no power of its own). fault, besides all chips': "wrong_checksum".
    A brown-out comes in the middle of the next reading of the scratchpad.
    """

    options_known = ("parasite",)

    def __init__(
        self, clock: Any, signal: Any, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        super().__init__(clock, signal, seed, options)
        self._bias = self.piece_error(ACCURACY_TYPICAL, ACCURACY_MAX)
        self._speed = self.random.uniform(0.7, 1.0)
        self._eeprom = FACTORY_EEPROM
        self.rom = _with_crc(bytes((FAMILY,)) + self.random.randbytes(6))
        self.power_on(clock.now_us())

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to settings "pin"."""
        if "rom" in settings:
            self.rom = bytes.fromhex(settings["rom"])
        board.onewires.setdefault(settings["pin"], []).append(self)

    def power_on(self, now_us: int) -> None:
        """Take power-up values: 85 degrees, the rest from the EEPROM."""
        self._raw = POWER_UP_RAW
        self._registers = bytearray(self._eeprom)
        self._done_us = -1  # when the conversion that goes on is done; -1: none does
        self._go("idle")

    # Slots.

    def onewire_reset(self, now_us: int) -> None:
        """Wait for a ROM command."""
        self._finish(now_us)
        self._go("rom")

    def onewire_write(self, bit: int, now_us: int) -> None:
        """Take a written slot."""
        self._finish(now_us)
        if self._state == "search":
            self._take_direction(bit)
        elif self._state != "idle":
            self._bits.append(bit)
            if len(self._bits) % 8 == 0:
                self._take_byte(_number(self._bits[-8:]), now_us)

    def onewire_read(self, now_us: int) -> int:
        """Return what it makes of a read slot: 1 leaves the wire alone."""
        self._finish(now_us)
        if self._state == "search":
            return self._search_bit()
        if self._state == "converting":
            return 0 if self._done_us >= 0 else 1
        if self._state != "talking" or not self._says:
            return 1
        if self.fault == "brown_out" and len(self._says) == 36:
            self.fault = None
            self.power_on(now_us)
            return 1
        return self._says.pop(0)

    # What it understands.

    def _go(self, state: str) -> None:
        self._state = state
        self._bits: list[int] = []
        self._says: list[int] = []
        self._asked = 0  # of the two read slots of each step of a search

    def _take_byte(self, byte: int, now_us: int) -> None:
        if self._state == "rom":
            self._take_rom_command(byte)
        elif self._state == "match":
            if len(self._bits) == 64:
                self._go("function" if _number(self._bits) == self._address() else "idle")
        elif self._state == "function":
            self._take_function(byte, now_us)
        elif self._state == "written":
            self._registers[len(self._bits) // 8 - 1] = byte
            if len(self._bits) == 24:
                self._registers[2] = byte & 0x60 | 0x1F  # the rest is read-only
                self._go("idle")

    def _take_rom_command(self, byte: int) -> None:
        states = {MATCH_ROM: "match", SKIP_ROM: "function", SEARCH_ROM: "search"}
        self._go(states.get(byte, "talking" if byte == READ_ROM else "idle"))
        if byte == READ_ROM:
            self._says = [self._address() >> at & 1 for at in range(64)]

    def _take_function(self, byte: int, now_us: int) -> None:
        states = {CONVERT: "converting", WRITE: "written", READ: "talking"}
        self._go(states.get(byte, "talking" if byte == POWER_SUPPLY else "idle"))
        if byte == CONVERT:
            self._done_us = now_us + round(self._conversion_us() * self._speed)
        elif byte == READ:
            self._says = [part >> at & 1 for part in self._scratchpad() for at in range(8)]
        elif byte == POWER_SUPPLY:
            self._says = [0] * 8 if self.options.get("parasite") else []
        elif byte == COPY:
            self._eeprom = bytes(self._registers)
        elif byte == RECALL:
            self._registers = bytearray(self._eeprom)

    # Search.

    def _search_bit(self) -> int:
        bit = self._address() >> len(self._bits) & 1
        self._asked += 1
        return bit if self._asked % 2 else 1 - bit

    def _take_direction(self, bit: int) -> None:
        if bit != self._address() >> len(self._bits) & 1:
            self._go("idle")
            return
        self._bits.append(bit)
        if len(self._bits) == 64:
            self._go("idle")

    def _address(self) -> int:
        rom = self.rom
        if self.fault == "wrong_identity":
            rom = _with_crc(bytes((FAMILY_DS18S20,)) + rom[1:7])
        return int.from_bytes(rom, "little")

    # Conversion.

    def _unused_bits(self) -> int:
        return 3 - (self._registers[2] >> 5 & 3)

    def _conversion_us(self) -> int:
        return CONVERSION_US_MAX >> self._unused_bits()

    def _finish(self, now_us: int) -> None:
        if self._done_us < 0 or now_us < self._done_us:
            return
        if self.fault != "stuck_value":
            celsius = self.signal.sample(self._done_us) + self._bias
            raw = min(max(round(celsius * 16), RAW_MIN), RAW_MAX)
            undefined = (1 << self._unused_bits()) - 1
            self._raw = raw & ~undefined | self.random.getrandbits(3) & undefined
        self._done_us = -1

    def _scratchpad(self) -> bytes:
        raw = (self._raw & 0xFFFF).to_bytes(2, "little")
        whole = _with_crc(raw + bytes(self._registers) + b"\xff\x0c\x10")
        if self.fault == "wrong_checksum":
            return whole[:8] + bytes((whole[8] ^ 0x10,))
        return whole


def _number(bits: list[int]) -> int:
    return sum(bit << at for at, bit in enumerate(bits))


def _with_crc(data: bytes) -> bytes:
    """Append the CRC: x8 + x5 + x4 + 1, fed least bit first, as a shift register does it."""
    register = [0] * 8
    for byte in data:
        for at in range(8):
            feedback = (byte >> at & 1) ^ register[0]
            register = [*register[1:], feedback]
            register[3] ^= feedback
            register[2] ^= feedback
    return data + bytes((_number(register),))
