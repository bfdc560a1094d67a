"""ADS1115 16-bit converter at register level (Texas Instruments SBAS444), with a transducer.

Modelled: the four registers and their power-up values, continuous and single-shot mode, rates,
gain, input choice, saturation, noise of the data sheet (below one step). Not modelled: comparator,
ALERT pin, differential inputs, general-call reset.

Signal: displacement in m. The transducer makes a voltage of it on one input, as the driver's
settings say.
"""

from typing import Any

from simulators.chips.chip import RegisterChip, Ticker, clip

CONVERSION, CONFIG, LOW_THRESHOLD, HIGH_THRESHOLD = range(4)
POWER_UP = (0x0000, 0x8583, 0x8000, 0x7FFF)
START, SINGLE_SHOT = 0x8000, 0x0100
RANGES_UV = (6_144_000, 4_096_000, 2_048_000, 1_024_000, 512_000, 256_000)
RATES_MHZ = (8_000, 16_000, 32_000, 64_000, 128_000, 250_000, 475_000, 860_000)
# Peak to peak in uV at 3.3 V (SBAS444, section "Noise Performance"), by rate and range code. At
# 128/s and slower it is one step, which means: not more than that.
NOISE_PEAK_UV = (
    *5 * [(187.5, 125.0, 62.5, 31.25, 15.62, 7.81)],
    (252.09, 148.28, 84.03, 39.54, 16.06, 18.53),
    (266.92, 227.38, 79.08, 56.84, 32.13, 25.95),
    (430.06, 266.93, 118.63, 64.26, 40.78, 35.83),
)
PEAK_SIGMAS = 6.6  # what is called peak to peak
RANGE_CODE_MAX = 5  # 6 and 7 are the same range
TMP117_HIGH_LIMIT = 0x6000  # what a wrong chip at the same address reads there


class Ads1115Chip(RegisterChip):
    """One ADS1115 with a transducer. Its oscillator is off by up to 10 %.

    options: "wire" "open" takes the transducer's voltage away.
    """

    rate_error_ppm_max = 100_000
    options_known = ("wire",)

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to settings "i2c", "address" (0x48); the transducer follows their line."""
        self._settings = settings
        board.attach_i2c(settings["i2c"], settings.get("address", 0x48), self)

    def power_on(self, now_us: int) -> None:
        """Take power-up values: shut down, waiting for a single shot."""
        self._registers = list(POWER_UP)
        self._ticker = None
        self._made = 0

    def advance(self, now_us: int) -> None:
        """Make the newest conversion, which replaces all before."""
        if self._ticker is None:
            return
        due = self._ticker.count(now_us)
        if due == self._made:
            return
        is_single = self._registers[CONFIG] & SINGLE_SHOT
        self._made = 1 if is_single else due
        if self.fault != "stuck_value":
            instant_us = self._ticker.instant_us(self._made)
            self._registers[CONVERSION] = self._convert(instant_us) & 0xFFFF
        if is_single:
            self._ticker = None

    def write_registers(self, register: int, data: bytes, now_us: int) -> None:
        """Write one 16-bit register."""
        at, value = register & 3, int.from_bytes(data[:2], "big")
        if len(data) < 2 or at == CONVERSION:
            return
        self._registers[at] = value
        if at != CONFIG:
            return
        self._ticker = None
        if value & START or not value & SINGLE_SHOT:
            rate_mhz = RATES_MHZ[value >> 5 & 7]
            self._ticker = Ticker(now_us, self.true_rate_nhz(rate_mhz))
            self._made = 0

    def read_registers(self, register: int, buf: bytearray) -> None:
        """Fill buf with the register, over and over."""
        value = self._registers[register & 3]
        if register & 3 == CONFIG:
            # Reads 1 when no conversion is going on, whatever was written.
            value = value & ~START | (START if self._ticker is None else 0)
        if self.fault == "wrong_identity" and register & 3 == LOW_THRESHOLD:
            value = TMP117_HIGH_LIMIT
        buf[:] = (value.to_bytes(2, "big") * (len(buf) // 2 + 1))[: len(buf)]

    def _convert(self, t_us: int) -> int:
        settings = self._settings
        config = self._registers[CONFIG]
        if self.options.get("wire") == "open" or config >> 12 & 7 != 4 + settings.get("input", 0):
            voltage_uv = 0.0
        else:
            span_uv = settings["full_uv"] - settings["zero_uv"]
            share = self.signal.sample(t_us) / (settings["full_um"] * 1e-6)
            voltage_uv = settings["zero_uv"] + share * span_uv
        range_code = min(config >> 9 & 7, RANGE_CODE_MAX)
        sigma_uv = NOISE_PEAK_UV[config >> 5 & 7][range_code] / PEAK_SIGMAS
        step_uv = RANGES_UV[range_code] / 32768
        return clip((voltage_uv + self.noise(sigma_uv)) / step_uv, 16)
