"""ADXL355 accelerometer at register level (Analog Devices ADXL354/ADXL355 data sheet).

Modelled: identity, reset, ranges, rate table, FIFO of 96 entries (marker of the x axis, empty bit,
overrun of the oldest), status bits that clear on read, external sync with interpolation, offset
registers, self-test force, noise of 22.5 ug/rtHz within the low-pass corner (rate / 4), saturation
at 20 bits, the group delay of the low-pass filter. Not modelled: high-pass filter, activity
detection, interrupt pins; that the low-pass filter weakens what is near its corner, and what the
interpolation filter adds to the delay.

Signal: (x, y, z) in m/s2, gravity included. In range +-2 g one step is 1/256000 g.
"""

import math
from typing import Any

from simulators.chips.chip import Chip, Ticker

STANDARD_GRAVITY = 9.80665
IDENTITY = bytes((0xAD, 0x1D, 0xED, 0x01))
NOISE_G_PER_ROOT_HZ = 22.5e-6
BIAS_G_TYPICAL, BIAS_G_MAX = 0.025, 0.075  # 0 g offset, table of specifications
SELF_TEST_G = (0.3, 0.3, 1.5)  # typical output change, table of specifications
# Table "Digital Filter Group Delay and Profile": delay in periods of the rate 4000 Hz / 2^n.
DELAYS_PERIODS = (2.52, 2.00, 1.78, 1.63, 1.57, 1.54, 1.51, 1.49, 1.50, 1.48, 1.50)
FIFO_SETS_MAX = 32
SET_SIZE = 9
VALUE_MAX = (1 << 19) - 1

STATUS, FIFO_ENTRIES, TEMP2, XDATA3, ZDATA1, FIFO_DATA = 0x04, 0x05, 0x06, 0x08, 0x10, 0x11
OFFSET_X_H, FILTER, FIFO_SAMPLES, SYNC = 0x1E, 0x28, 0x29, 0x2B
RANGE, POWER_CTL, SELF_TEST, RESET = 0x2C, 0x2D, 0x2E, 0x2F
DATA_READY, FIFO_FULL, FIFO_OVERRUN = 0x01, 0x02, 0x04
STANDBY = 0x01
RESET_CODE = 0x52
TEMPERATURE_25_C = (1885).to_bytes(2, "big")  # nominal output at 25 degrees Celsius
EMPTY_ENTRY = b"\x00\x00\x02"

# register -> (power-up value, bits that can be written); all others read 0 and ignore writes
WRITABLE = {
    **dict.fromkeys(range(OFFSET_X_H, OFFSET_X_H + 6), (0x00, 0xFF)),
    0x24: (0x00, 0x07),  # ACT_EN
    0x25: (0x00, 0xFF),  # ACT_THRESH_H
    0x26: (0x00, 0xFF),  # ACT_THRESH_L
    0x27: (0x01, 0xFF),  # ACT_COUNT
    FILTER: (0x00, 0x7F),
    FIFO_SAMPLES: (0x60, 0x7F),
    0x2A: (0x00, 0xFF),  # INT_MAP
    SYNC: (0x00, 0x07),
    RANGE: (0x81, 0xC3),
    POWER_CTL: (0x01, 0x07),
    SELF_TEST: (0x00, 0x03),
}


class Adxl355Chip(Chip):
    """One ADXL355. Its own oscillator is off by up to 4 % (assumed); external sync replaces it.

    options: "bias" (False): True gives the piece its own 0 g offset, which would else spoil the
    play-back of a record. "delay" (as "noise"): whether the filter delays the signal;
    without noise a record is played back as it is.
    """

    rate_error_ppm_max = 40_000
    options_known = ("bias", "delay")

    def __init__(
        self, clock: Any, signal: Any, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        super().__init__(clock, signal, seed, options)
        self.bias_g = (0.0, 0.0, 0.0)
        if self.options.get("bias"):
            x, y, z = (self.piece_error(BIAS_G_TYPICAL, BIAS_G_MAX) for _ in range(3))
            self.bias_g = (x, y, z)

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it: "spi" and "cs", or "i2c" at "address" (0x1D); "sync_pin" to its DRDY pin."""
        if "i2c" in settings:
            board.attach_i2c(settings["i2c"], settings.get("address", 0x1D), self)
        else:
            board.spi_chips[settings["spi"], settings["cs"]] = self
        if "sync_pin" in settings:
            board.pwm_listeners[settings["sync_pin"]] = self

    def power_on(self, now_us: int) -> None:
        """Take power-up values. No pulses yet."""
        self._pulses: Ticker | None = None
        self._pointer = 0
        self._reset()

    def pulses(self, start_us: int, rate_nhz: int) -> None:
        """Get sync pulses from start_us on; rate 0: none."""
        self.advance(start_us)
        self._pulses = Ticker(start_us, rate_nhz) if rate_nhz else None
        if self._registers[SYNC] & 0x03:
            self._restart(start_us)

    def spi_transfer(self, out: bytes, into: bytearray, now_us: int) -> None:
        """One transaction: address << 1 | read, then data; the address counts up to FIFO_DATA."""
        self.advance(now_us)
        register = out[0] >> 1
        if out[0] & 1:
            into[1:] = self._read(register, len(into) - 1)
            into[0] = 0
        else:
            data = bytes(out[1:])
            into[:] = bytes(len(into))
            for offset, value in enumerate(data):
                self._write(register + offset, value, now_us)

    def i2c_write(self, data: bytes, now_us: int) -> None:
        """One message: the address, then data from there on; or nothing, to ask who is there."""
        self.advance(now_us)
        if not data:
            return
        self._pointer = data[0]
        for offset, value in enumerate(data[1:]):
            self._write(self._pointer + offset, value, now_us)

    def i2c_read_into(self, buf: bytearray, now_us: int) -> None:
        """Fill buf from the address on, which counts up to FIFO_DATA."""
        self.advance(now_us)
        buf[:] = self._read(self._pointer, len(buf))

    def advance(self, now_us: int) -> None:
        """Make the samples due until now, but for those that a full FIFO would lose."""
        ticker = self._ticker
        if ticker is None:
            return
        due = ticker.count(now_us)
        count = due - self._made
        if count <= 0:
            return
        self._status |= DATA_READY
        kept = min(count, FIFO_SETS_MAX)
        self._fifo += self._make(ticker, due - kept, kept)
        self._made = due
        if len(self._fifo) + (count - kept) * SET_SIZE > FIFO_SETS_MAX * SET_SIZE:
            self._status |= FIFO_OVERRUN
            del self._fifo[: max(0, len(self._fifo) - FIFO_SETS_MAX * SET_SIZE)]
        if len(self._fifo) // 3 >= self._registers[FIFO_SAMPLES]:
            self._status |= FIFO_FULL

    def _reset(self) -> None:
        self._registers = {register: row[0] for register, row in WRITABLE.items()}
        self._fifo = bytearray()
        self._newest = bytes(SET_SIZE)
        self._status = 0
        self._made = 0
        self._ticker = None

    def _restart(self, now_us: int) -> None:
        """Begin to sample afresh as the registers say."""
        registers = self._registers
        self._ticker = None
        if registers[POWER_CTL] & STANDBY:
            return
        rate_code = min(registers[FILTER] & 0x0F, 10)
        rate_mhz = 4_000_000 / (1 << rate_code)
        rate_nhz = self.true_rate_nhz(rate_mhz)
        delay_us = round(DELAYS_PERIODS[rate_code] * 1e15 / rate_nhz)
        self._delay_us = delay_us if self.options.get("delay", self.has_noise) else 0
        if registers[SYNC] & 0x03:
            self._ticker = self._pulses
        else:
            self._ticker = Ticker(now_us, rate_nhz)
        self._made = self._ticker.count(now_us) if self._ticker else 0
        steps_per_g = 512_000 >> max(1, registers[RANGE] & 0x03)
        self._step = STANDARD_GRAVITY / steps_per_g
        self._sigma = NOISE_G_PER_ROOT_HZ * math.sqrt(rate_mhz / 4000) * steps_per_g
        self._bias = tuple(self._offset(axis, steps_per_g) for axis in range(3))

    def _offset(self, axis: int, steps_per_g: int) -> float:
        """Return what offset registers and self-test add to the output of an axis, in steps."""
        register = OFFSET_X_H + 2 * axis
        offset = self._registers[register] << 8 | self._registers[register + 1]
        force = SELF_TEST_G[axis] if self._registers[SELF_TEST] == 0x03 else 0.0
        return ((offset ^ 0x8000) - 0x8000) * 16 + (force + self.bias_g[axis]) * steps_per_g

    def _make(self, ticker: Ticker, before: int, count: int) -> bytes:
        """Return the FIFO entries of the `count` samples after sample number `before`."""
        if self.fault == "stuck_value":
            return self._newest * count
        sample, step = self.signal.sample, self._step
        gauss, sigma = self.random.gauss, self._sigma if self.has_noise else 0.0
        delay_us = self._delay_us
        bias_x, bias_y, bias_z = self._bias
        entries = []
        for k in range(before + 1, before + count + 1):
            x, y, z = sample(max(0, ticker.instant_us(k) - delay_us))
            x = x / step + bias_x
            y = y / step + bias_y
            z = z / step + bias_z
            if sigma:
                x += gauss(0.0, sigma)
                y += gauss(0.0, sigma)
                z += gauss(0.0, sigma)
            x, y, z = round(x), round(y), round(z)
            if not (
                -VALUE_MAX <= x <= VALUE_MAX
                and -VALUE_MAX <= y <= VALUE_MAX
                and -VALUE_MAX <= z <= VALUE_MAX
            ):
                x, y, z = (max(-VALUE_MAX - 1, min(VALUE_MAX, value)) for value in (x, y, z))
            # Three entries of 24 bits in one number: value << 4, and bit 0 marks the x axis.
            packed = (x & 0xFFFFF) << 52 | 1 << 48 | (y & 0xFFFFF) << 28 | (z & 0xFFFFF) << 4
            entries.append(packed.to_bytes(SET_SIZE, "big"))
        self._newest = entries[-1]
        return b"".join(entries)

    def _read(self, register: int, size: int) -> bytes:
        if register == FIFO_DATA:
            return self._pop(size)
        data = bytearray()
        while len(data) < size and register < FIFO_DATA:
            data.append(self._value(register))
            register += 1
        if len(data) < size and register == FIFO_DATA:
            return bytes(data) + self._pop(size - len(data))
        data += bytes(self._value(register + index) for index in range(size - len(data)))
        return bytes(data)

    def _pop(self, size: int) -> bytes:
        """Take entries from the FIFO: a whole one even if only a part of it is read."""
        entries = (size + 2) // 3
        data = bytes(self._fifo[: 3 * entries])
        del self._fifo[: 3 * entries]
        return (data + EMPTY_ENTRY * (entries - len(data) // 3))[:size]

    def _value(self, register: int) -> int:
        if register < STATUS:
            wrong = self.fault == "wrong_identity" and register == 0x02
            return 0xEC if wrong else IDENTITY[register]
        if register == STATUS:
            status, self._status = self._status, 0
            return status
        if register == FIFO_ENTRIES:
            return len(self._fifo) // 3
        if register < XDATA3:
            return TEMPERATURE_25_C[register - TEMP2]
        if register <= ZDATA1:
            # The data registers have no marker: bits 3..0 read 0.
            index = register - XDATA3
            return self._newest[index] & (0xF0 if index % 3 == 2 else 0xFF)
        return self._registers.get(register, 0)

    def _write(self, register: int, value: int, now_us: int) -> None:
        if register == RESET and value == RESET_CODE:
            self._reset()
        elif register in WRITABLE:
            mask = WRITABLE[register][1]
            self._registers[register] = value & mask
            self._restart(now_us)
