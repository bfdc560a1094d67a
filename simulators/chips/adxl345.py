"""ADXL345 accelerometer at register level (Analog Devices data sheet ADXL345, revision E).

Modelled: identity, power-up values, standby and measurement, rates of 3200 Hz / 2^n, ranges, full
resolution and 10 bits, both justifications, the lowest bit that is always 0 at 1600 and 3200 Hz
(page 32), offset registers, FIFO in bypass, fifo and stream mode with 33 samples (32 and the one
in the output filter, page 21), watermark, data-ready and overrun flags, self-test force at 3.3 V,
noise, bias, saturation; I2C and 4-wire SPI. Not modelled: tap, activity and free-fall detection,
trigger mode, interrupt pins, sleep, 3-wire SPI. The data sheet gives no tolerance of the rate; up
to 5 % is assumed.

Signal: (x, y, z) in m/s2, gravity included.
"""

from typing import Any

from simulators.chips.chip import RegisterChip, Ticker, clip

STANDARD_GRAVITY = 9.80665
STEPS_PER_G = 256  # full resolution
# Table 1, page 4: rms of one sample at 100 Hz in full resolution, and the 0 g offset.
NOISE_STEPS = (0.75, 0.75, 1.1)
NOISE_RATE_MHZ = 100_000
BIAS_G_TYPICAL = (0.035, 0.035, 0.040)
BIAS_G_MAX = (0.150, 0.150, 0.250)
SELF_TEST_STEPS = (354, -354, 588)  # middle of table 15, times 1.2: about what 3.3 V gives
SAMPLES_MAX = 33
ENTRIES_MAX = 32

DEVID, OFSX, BW_RATE, POWER_CTL, INT_SOURCE = 0x00, 0x1E, 0x2C, 0x2D, 0x30
DATA_FORMAT, DATAX0, DATAZ1, FIFO_CTL, FIFO_STATUS = 0x31, 0x32, 0x37, 0x38, 0x39
IDENTITY = 0xE5
MEASURE = 0x08
DATA_READY, WATERMARK, OVERRUN = 0x80, 0x02, 0x01
SELF_TEST, FULL_RES, JUSTIFY = 0x80, 0x08, 0x04
MODE_BYPASS, MODE_FIFO = 0, 1

# register -> (power-up value, bits that can be written), table 19; all others are read-only
WRITABLE = {
    **dict.fromkeys((*range(0x1D, 0x2A), 0x2E, 0x2F), (0x00, 0xFF)),
    0x2A: (0x00, 0x0F),
    BW_RATE: (0x0A, 0x1F),
    POWER_CTL: (0x00, 0x3F),
    DATA_FORMAT: (0x00, 0xEF),
    FIFO_CTL: (0x00, 0xFF),
}

Axes = tuple[int, int, int]


class Adxl345Chip(RegisterChip):
    """One ADXL345."""

    rate_error_ppm_max = 50_000  # assumed: the data sheet gives no limit of the rate

    def __init__(
        self, clock: Any, signal: Any, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        super().__init__(clock, signal, seed, options)
        rows = zip(BIAS_G_TYPICAL, BIAS_G_MAX, strict=True)
        self.bias_g = tuple(self.piece_error(typical, most) for typical, most in rows)

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to settings "i2c" at "address" (0x53), or to "spi" and "cs"."""
        if "i2c" in settings:
            board.attach_i2c(settings["i2c"], settings.get("address", 0x53), self)
        else:
            board.spi_chips[settings["spi"], settings["cs"]] = self

    def power_on(self, now_us: int) -> None:
        """Take power-up values: standby."""
        self._registers = {register: row[0] for register, row in WRITABLE.items()}
        self._samples: list[Axes] = []
        self._newest: Axes = (0, 0, 0)
        self._is_ready = self._is_overrun = False
        self._ticker = None
        self._made = 0

    def spi_transfer(self, out: bytes, into: bytearray, now_us: int) -> None:
        """One transaction: read << 7 | several << 6 | address, then data."""
        self.advance(now_us)
        command = out[0]
        register = command & 0x3F
        data = bytearray(out[1:] if command & 0x40 else out[1:2])
        into[:] = bytes(len(into))
        if command & 0x80:
            self.read_registers(register, data)
            into[1 : 1 + len(data)] = data
        else:
            self.write_registers(register, bytes(data), now_us)

    def advance(self, now_us: int) -> None:
        """Make the samples due until now, but for those that nobody could ever read."""
        ticker = self._ticker
        if ticker is None:
            return
        due = ticker.count(now_us)
        first, last = self._made + 1, due
        if self._registers[FIFO_CTL] >> 6 == MODE_FIFO:
            last = min(last, first + SAMPLES_MAX)
        else:
            first = max(first, last - SAMPLES_MAX)
        for k in range(first, last + 1):
            self._put(self._convert(ticker.instant_us(k)))
        self._made = due

    def write_registers(self, register: int, data: bytes, now_us: int) -> None:
        """Write from register on."""
        for at, value in enumerate(data, register):
            if at in WRITABLE:
                self._registers[at] = value & WRITABLE[at][1]
                self._changed(at, now_us)

    def read_registers(self, register: int, buf: bytearray) -> None:
        """Fill buf from register on; a sample leaves the FIFO when a read of it has ended."""
        has_data = False
        for index in range(len(buf)):
            at = register + index & 0x3F
            has_data |= DATAX0 <= at <= DATAZ1
            buf[index] = self._value(at)
        if has_data:
            self._is_ready = self._is_overrun = False
            if self._samples:
                self._newest = self._samples.pop(0)

    def _changed(self, register: int, now_us: int) -> None:
        if register == FIFO_CTL and self._registers[FIFO_CTL] >> 6 == MODE_BYPASS:
            self._samples.clear()
        if register in (BW_RATE, POWER_CTL):
            self._ticker = None
            self._made = 0
            if self._registers[POWER_CTL] & MEASURE:
                self._ticker = Ticker(now_us, self.true_rate_nhz(self._rate_mhz()))

    def _rate_mhz(self) -> float:
        return 3_200_000 / (1 << 15 - (self._registers[BW_RATE] & 0x0F))

    def _put(self, sample: Axes) -> None:
        """A new sample comes out of the filter."""
        mode = self._registers[FIFO_CTL] >> 6
        if self.fault == "stuck_value":
            sample = self._samples[-1] if self._samples else self._newest
        if mode == MODE_BYPASS:
            self._is_overrun |= self._is_ready
            self._newest = sample
        elif len(self._samples) < SAMPLES_MAX:
            self._samples.append(sample)
        else:
            self._is_overrun = True
            if mode != MODE_FIFO:
                self._samples = [*self._samples[1:], sample]
        self._is_ready = True

    def _convert(self, t_us: int) -> Axes:
        """Return the three data words at t_us, right justified."""
        data_format = self._registers[DATA_FORMAT]
        rate_mhz = self._rate_mhz()
        values = []
        for axis, acceleration in enumerate(self.signal.sample(t_us)):
            steps = (acceleration / STANDARD_GRAVITY + self.bias_g[axis]) * STEPS_PER_G
            steps += self.noise(NOISE_STEPS[axis] * max(1.0, rate_mhz / NOISE_RATE_MHZ) ** 0.5)
            offset = self._registers[OFSX + axis]
            steps += ((offset ^ 0x80) - 0x80) * 4  # 15.6 mg each
            if data_format & SELF_TEST:
                steps += SELF_TEST_STEPS[axis]
            values.append(self._to_word(steps, data_format & 3, rate_mhz))
        return values[0], values[1], values[2]

    def _to_word(self, steps: float, range_code: int, rate_mhz: float) -> int:
        if self._registers[DATA_FORMAT] & FULL_RES:
            word = clip(steps, 10 + range_code)
            return word & ~1 if rate_mhz >= 1_600_000 else word
        word = clip(steps / (1 << range_code), 10)
        return word & ~1 if rate_mhz >= 1_600_000 and range_code == 0 else word

    def _value(self, register: int) -> int:
        if register == DEVID:
            return 0xE6 if self.fault == "wrong_identity" else IDENTITY
        if register == INT_SOURCE:
            return self._flags()
        if register == FIFO_STATUS:
            return min(len(self._samples), ENTRIES_MAX)
        if DATAX0 <= register <= DATAZ1:
            sample = self._samples[0] if self._samples else self._newest
            return self._justified(sample[(register - DATAX0) // 2]) >> 8 * (register & 1) & 0xFF
        return self._registers.get(register, 0)

    def _justified(self, word: int) -> int:
        data_format = self._registers[DATA_FORMAT]
        if not data_format & JUSTIFY:
            return word
        return word << 6 - (data_format & 3 if data_format & FULL_RES else 0)

    def _flags(self) -> int:
        is_marked = len(self._samples) >= max(1, self._registers[FIFO_CTL] & 0x1F)
        return (
            DATA_READY * (self._is_ready or bool(self._samples))
            | WATERMARK * is_marked
            | OVERRUN * self._is_overrun
        )
