"""NAU7802 24-bit converter at register level (Nuvoton data sheet, revision 1.7), with a bridge.

Modelled: power-up sequence, reset, rates, gain, regulator, cycle-ready flag that clears on reading
the result, offset calibration with its error flag, gain and offset registers, saturation, noise.
Not modelled: second channel, temperature sensor, gain calibration, I2C streaming. Noise and offset
are typical figures (section 7.5), growing with the root of the rate; no limit of the RC oscillator
is known here: 4 % is assumed.

Signal: strain (m/m). The code is ratiometric: strain * gauge factor * arms / 4 * gain / 0.5 *
2^23.
"""

import math
from typing import Any

from simulators.chips.chip import RegisterChip, Ticker, clip

PU_CTRL, CTRL1, CTRL2, OCAL1, GCAL1 = 0x00, 0x01, 0x02, 0x03, 0x06
GCAL2, ADCO, REVISION = 0x0D, 0x12, 0x1F
RESET, POWER_DIGITAL, POWER_ANALOGUE, POWER_READY = 0x01, 0x02, 0x04, 0x08
CYCLE_START, CYCLE_READY = 0x10, 0x20
CALIBRATE, CALIBRATION_FAILED = 0x04, 0x08
POWER_READY_US = 200
CALIBRATION_CYCLES = 4
RATES_MHZ = {0: 10_000, 1: 20_000, 2: 40_000, 3: 80_000, 7: 320_000}
NOISE_V = 60e-9  # rms at 40/s and gain 128, input referred
OFFSET_V = 8e-6  # before calibration
POWER_UP = {GCAL1 + 1: 0x80, GCAL2 + 1: 0x80, REVISION: 0x0F}
REGISTERS_COUNT = 0x20
READ_ONLY = {ADCO, ADCO + 1, ADCO + 2, REVISION}


class Nau7802Chip(RegisterChip):
    """One NAU7802 with a bridge on channel 1. Its RC oscillator is off by up to 4 %.

    options: gauge_factor (2.0) and arms (1) of the true gauges; "wire" "open" saturates the input.
    fault: those of Chip, and "calibration" (the calibration fails).
    """

    rate_error_ppm_max = 40_000
    options_known = ("gauge_factor", "arms", "wire")

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to settings "i2c" at its only address."""
        board.attach_i2c(settings["i2c"], 0x2A, self)

    def power_on(self, now_us: int) -> None:
        """Take power-up values: everything off."""
        self._registers = bytearray(REGISTERS_COUNT)
        for register, value in POWER_UP.items():
            self._registers[register] = value
        self._powered_us: int | None = None
        self._calibrated_us: int | None = None
        self._ticker = None
        self._made = 0
        self._offset_v = OFFSET_V

    def advance(self, now_us: int) -> None:
        """Finish a calibration that is due; make the newest conversion, replacing all before."""
        if self._powered_us is not None and now_us - self._powered_us >= POWER_READY_US:
            self._registers[PU_CTRL] |= POWER_READY
        if self._calibrated_us is not None and now_us >= self._calibrated_us:
            self._finish_calibration(self._calibrated_us)
        if self._ticker is None or self._calibrated_us is not None:
            return
        due = self._ticker.count(now_us)
        if due == self._made:
            return
        self._made = due
        self._registers[PU_CTRL] |= CYCLE_READY
        if self.fault != "stuck_value":
            code = self._convert(self._ticker.instant_us(due))
            self._registers[ADCO : ADCO + 3] = (code & 0xFFFFFF).to_bytes(3, "big")

    def write_registers(self, register: int, data: bytes, now_us: int) -> None:
        """Write from register on; PU_CTRL and CTRL2 act at once."""
        for at, value in enumerate(data, register):
            if at == PU_CTRL:
                self._write_power(value, now_us)
            elif at == CTRL2:
                self._registers[CTRL2] = value & ~CALIBRATION_FAILED
                self._restart(now_us)
            elif at < REGISTERS_COUNT and at not in READ_ONLY:
                self._registers[at] = value

    def read_registers(self, register: int, buf: bytearray) -> None:
        """Fill buf from register on; reading the result clears the cycle-ready flag."""
        for index in range(len(buf)):
            at = (register + index) % REGISTERS_COUNT
            buf[index] = self._registers[at]
            if at == REVISION and self.fault == "wrong_identity":
                buf[index] = 0x02
            if at == ADCO:
                self._registers[PU_CTRL] &= ~CYCLE_READY

    def _write_power(self, value: int, now_us: int) -> None:
        if value & RESET:
            self.power_on(now_us)
            self._registers[PU_CTRL] = RESET
            return
        ready = self._registers[PU_CTRL] & (POWER_READY | CYCLE_READY)
        was_on = self._registers[PU_CTRL] & POWER_DIGITAL
        if not value & POWER_DIGITAL:
            self._powered_us, ready = None, 0
        elif not was_on:
            self._powered_us = now_us
        self._registers[PU_CTRL] = value & ~(POWER_READY | CYCLE_READY) | ready
        self._restart(now_us)

    def _restart(self, now_us: int) -> None:
        """Convert afresh as PU_CTRL and CTRL2 say, after a calibration if one was asked for."""
        control = self._registers[PU_CTRL]
        needed = POWER_DIGITAL | POWER_ANALOGUE | CYCLE_START
        self._ticker = None
        if control & needed != needed:
            return
        rate_mhz = RATES_MHZ.get(self._registers[CTRL2] >> 4 & 0x07, 10_000)
        self._ticker = Ticker(now_us, self.true_rate_nhz(rate_mhz))
        self._made = 0
        self._registers[PU_CTRL] &= ~CYCLE_READY
        if self._registers[CTRL2] & CALIBRATE:
            self._calibrated_us = self._ticker.instant_us(CALIBRATION_CYCLES)

    def _finish_calibration(self, now_us: int) -> None:
        self._calibrated_us = None
        self._registers[CTRL2] &= ~CALIBRATE
        self._offset_v = 0.0
        if self.fault == "calibration":
            self._registers[CTRL2] |= CALIBRATION_FAILED
        self._restart(now_us)

    def _convert(self, t_us: int) -> int:
        """Return the code of the signal at t_us."""
        if self.options.get("wire") == "open":
            return clip(1e12, 24)
        gain = 1 << (self._registers[CTRL1] & 0x07)
        supply_v = 4.5 - 0.3 * (self._registers[CTRL1] >> 3 & 0x07)
        factor = self.options.get("gauge_factor", 2.0) * self.options.get("arms", 1) / 4
        rate_hz = RATES_MHZ.get(self._registers[CTRL2] >> 4 & 0x07, 10_000) / 1000
        bridge_share = self.signal.sample(t_us) * factor + self._offset_v / supply_v
        bridge_share += self.noise(NOISE_V * math.sqrt(rate_hz / 40) / supply_v)
        return clip(bridge_share * gain / 0.5 * (1 << 23), 24)
