"""TMP117 temperature sensor at register level (Texas Instruments data sheet SNOSD82D).

Modelled: identity, reset values, soft reset, cycle table, continuous, one-shot and shutdown modes,
the data-ready flag that clears on reading result or configuration, offset register, saturation,
noise. Not modelled: alert limits and pin, EEPROM programming.

Signal: temperature in Cel.
"""

from typing import Any

from simulators.chips.chip import RegisterChip, Ticker, clip

RESULT, CONFIG, EEPROM_UNLOCK, OFFSET, DEVICE_ID = 0x00, 0x01, 0x04, 0x07, 0x0F
POWER_UP = {RESULT: 0x8000, CONFIG: 0x0220, 0x02: 0x6000, 0x03: 0x8000, DEVICE_ID: 0x0117}
WRITABLE = {0x02, 0x03, EEPROM_UNLOCK, 0x05, 0x06, OFFSET, 0x08}
DATA_READY, MODE, SHUTDOWN, ONE_SHOT, SOFT_RESET = 0x2000, 0x0C00, 0x0400, 0x0C00, 0x0002
CONFIG_WRITABLE = 0x0FFC
CONVERSION_US = 15_500
AVERAGED = (1, 8, 32, 64)
# Shortest cycle in ms for CONV 0..7; one that is shorter than the averaging takes as long as that.
CYCLES_MS = (16, 125, 250, 500, 1_000, 4_000, 8_000, 16_000)
BUSY_MS = (16, 125, 500, 1_000)
NOISE_STEPS = (
    1.7,
    0.6,
    0.3,
    0.25,
)  # rms of one result; the data sheet: +-1 step with eight averaged


class Tmp117Chip(RegisterChip):
    """One TMP117.

    Its oscillator is off by up to 11 %: a conversion takes 15.5 ms typically, 17.5 ms at most
    (section 6.5).
    """

    rate_error_ppm_max = 110_000

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to settings "i2c" at "address" (0x49)."""
        board.attach_i2c(settings["i2c"], settings.get("address", 0x49), self)

    def power_on(self, now_us: int) -> None:
        """Take power-up values; it converts by itself from then on."""
        self._registers = {register: POWER_UP.get(register, 0) for register in range(16)}
        self._restart(now_us)

    def advance(self, now_us: int) -> None:
        """Make the newest result, which replaces all before."""
        if self._ticker is None:
            return
        due = self._ticker.count(now_us)
        if due == self._made:
            return
        is_one_shot = self._registers[CONFIG] & MODE == ONE_SHOT
        self._made = 1 if is_one_shot else due
        if self.fault != "stuck_value":
            self._registers[RESULT] = self._convert(self._ticker.instant_us(self._made))
        self._registers[CONFIG] |= DATA_READY
        if is_one_shot:
            self._registers[CONFIG] = self._registers[CONFIG] & ~MODE | SHUTDOWN
            self._ticker = None

    def write_registers(self, register: int, data: bytes, now_us: int) -> None:
        """Write one 16-bit register."""
        if len(data) < 2:
            return
        value = int.from_bytes(data[:2], "big")
        if register == CONFIG and value & SOFT_RESET:
            self.power_on(now_us)
        elif register == CONFIG:
            self._registers[CONFIG] = value & CONFIG_WRITABLE
            self._restart(now_us)
        elif register in WRITABLE:
            self._registers[register] = value

    def read_registers(self, register: int, buf: bytearray) -> None:
        """Fill buf with the register, over and over; result and configuration clear the flag."""
        value = self._registers.get(register, 0)
        if register == DEVICE_ID and self.fault == "wrong_identity":
            value = 0x0116
        if register in (RESULT, CONFIG):
            self._registers[CONFIG] &= ~DATA_READY
        buf[:] = (value.to_bytes(2, "big") * (len(buf) // 2 + 1))[: len(buf)]

    def _restart(self, now_us: int) -> None:
        """Begin a cycle as the configuration says; its result comes at its end."""
        config = self._registers[CONFIG]
        averaging = config >> 5 & 3
        self._made = 0
        if config & MODE == SHUTDOWN:
            self._ticker = None
            return
        if config & MODE == ONE_SHOT:
            cycle_us = CONVERSION_US * AVERAGED[averaging]
        else:
            cycle_us = 1000 * max(CYCLES_MS[config >> 7 & 7], BUSY_MS[averaging])
        self._ticker = Ticker(now_us, self.true_rate_nhz(1_000_000_000 / cycle_us))

    def _convert(self, t_us: int) -> int:
        offset = (self._registers[OFFSET] ^ 0x8000) - 0x8000
        steps = self.signal.sample(t_us) * 128 + offset
        steps += self.noise(NOISE_STEPS[self._registers[CONFIG] >> 5 & 3])
        return clip(steps, 16) & 0xFFFF
