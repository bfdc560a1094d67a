"""HX711 converter at the level of its two pins (AVIA Semiconductor data sheet), with a load cell.

Modelled: data-ready, 24 bits most significant first, 25 to 27 pulses that choose input and gain,
power-down by a clock high for over 60 us and reset after it, settling of four conversions after
power-up and after another choice, ratiometric codes, saturation, noise, offset of the piece. Not
modelled: a signal of its own on input B (it sees the same cell), an external clock. The data sheet
gives no tolerance of the rate; up to 10 % is assumed.

Signal: load in N.
"""

from typing import Any

from simulators.chips.chip import Chip, Ticker, clip

POWER_DOWN_US = 60
SETTLING_CONVERSIONS = 4
BITS = 24
GAINS = {25: 128, 26: 32, 27: 64}
NOISE_V = {10_000: 50e-9, 80_000: 90e-9}  # rms at gain 128, referred to the input (page 3)
OFFSET_V = 200e-6 / 128  # page 3: 0.2 mV at gain 128, taken as referred to the output
SUPPLY_V = 5.0


class Hx711Chip(Chip):
    """One HX711 on a data and a clock pin.

    options: full_n (1000) and rated_uv_per_v (2000) of the true cell; "wire" "open" saturates.
    fault: "nack" leaves data high, "stuck_bus" low; no "wrong_identity", for it has none.
    """

    rate_error_ppm_max = 100_000
    options_known = ("full_n", "rated_uv_per_v", "wire")

    def __init__(
        self, clock: Any, signal: Any, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        super().__init__(clock, signal, seed, options)
        self.offset_v = self.piece_error(OFFSET_V, 3 * OFFSET_V)
        self._pulses = 0  # of the reading under way, or of the last one
        self._is_ready = False

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to settings "data_pin" and "clock_pin"; RATE as "rate_mhz" says."""
        board.pins[settings["data_pin"]] = self
        board.pin_listeners[settings["clock_pin"]] = self
        self._rate_mhz = settings["rate_mhz"]

    def power_on(self, now_us: int) -> None:
        """Begin anew: input A, gain 128."""
        self._gain = 128
        self._code = 0
        self._clock_level = 0
        self._edge_us = now_us
        self._settle(now_us)

    def value(self, now_us: int) -> int:
        """Return the level of the data pin."""
        if self.fault == "nack" or self.fault == "stuck_bus":
            return 1 if self.fault == "nack" else 0
        if self._is_off(now_us):
            return 1
        self._advance(now_us)
        if self._pulses:
            return self._code >> BITS - self._pulses & 1 if self._pulses <= BITS else 1
        return 0 if self._is_ready else 1

    def level(self, value: int, now_us: int) -> None:
        """The board drives the clock pin to a level."""
        if value == self._clock_level:
            return
        was_off = self._is_off(now_us)
        self._clock_level = value
        if value == 0 and was_off:
            self.power_on(now_us)
        elif value == 1:
            self._advance(now_us)
            self._rise(now_us)
        self._edge_us = now_us

    def _is_off(self, now_us: int) -> bool:
        return self._clock_level == 1 and now_us - self._edge_us > POWER_DOWN_US

    def _rise(self, now_us: int) -> None:
        if self._pulses or self._is_ready:
            self._pulses += 1
            self._is_ready = False
        if self.fault == "brown_out" and self._pulses == BITS // 2:
            self.fault = None
            self.power_on(now_us)
            self._clock_level = 1

    def _advance(self, now_us: int) -> None:
        """Make the newest conversion, having heeded the pulses of the last reading."""
        if self._pulses >= BITS and now_us - self._edge_us > POWER_DOWN_US:
            gain = GAINS.get(self._pulses, 128)
            self._pulses = 0
            if gain != self._gain:
                self._gain = gain
                self._settle(self._edge_us)
        assert self._ticker is not None
        due = self._ticker.count(now_us)
        if self._pulses or due <= self._made or due < SETTLING_CONVERSIONS:
            return
        self._made = due
        self._is_ready = True
        if self.fault != "stuck_value":
            self._code = self._convert(self._ticker.instant_us(due))

    def _settle(self, now_us: int) -> None:
        self._ticker = Ticker(now_us, self.true_rate_nhz(self._rate_mhz))
        self._made = 0
        self._pulses = 0
        self._is_ready = False

    def _convert(self, t_us: int) -> int:
        """Return the 24 bits of the signal at t_us."""
        if self.options.get("wire") == "open":
            return 0x7FFFFF
        rated = self.options.get("rated_uv_per_v", 2000) * 1e-6
        share = self.signal.sample(t_us) / self.options.get("full_n", 1000) * rated
        noise_v = NOISE_V[self._rate_mhz] * (128 / self._gain) ** 0.5
        input_v = share * SUPPLY_V + self.offset_v + self.noise(noise_v)
        return clip(input_v / (0.5 * SUPPLY_V / self._gain) * (1 << 23), BITS) & 0xFFFFFF
