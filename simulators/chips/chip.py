"""What all chip models share: an oscillator that ticks exactly, seeded noise, a fault to set."""

import random
from typing import Any

FEMTO_PER_MICRO = 10**15  # microseconds x nanohertz in one tick
PPM = 1_000_000


class Ticker:
    """The instants k = 1, 2, ... of an oscillator, in exact integers: no drift, ever.

    start_us: world time of k = 0. rate_nhz: its true rate in nanohertz, > 0.
    """

    def __init__(self, start_us: int, rate_nhz: int) -> None:
        self.start_us = start_us
        self.rate_nhz = rate_nhz

    def count(self, now_us: int) -> int:
        """Return how many instants lie in start_us < t <= now_us."""
        return max(0, (now_us - self.start_us) * self.rate_nhz // FEMTO_PER_MICRO)

    def instant_us(self, k: int) -> int:
        """Return the first microsecond at which instant k has come."""
        return self.start_us - (-k * FEMTO_PER_MICRO // self.rate_nhz)


class Drifts:
    """Something that measures `signal`, and whose zero can be told to wander."""

    signal: Any

    def drift(self, per_second: "float | tuple[float, ...]", now_us: int) -> None:
        """What it measures wanders off from now on, by so much a second, in the signal's unit."""
        self.signal = Drifting(self.signal, per_second, now_us)


class Chip(Drifts):
    """One model on its bus.

    signal: `sample(t_us)` in SI units, t_us in world time. seed: fixes noise and the errors of
    this one piece. options, all chips: "noise" (True; False takes the piece's bias away too),
    "rate_error_ppm" (drawn within +-rate_error_ppm_max of the chip). fault: None, "nack",
    "stuck_bus", "wrong_identity", "stuck_value" or "brown_out" (the supply dips once, in the
    middle of the next transfer); set and cleared by the scenario.
    """

    rate_error_ppm_max = 0
    options_known: tuple[str, ...] = ()

    def __init__(
        self, clock: Any, signal: Any, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        options = options or {}
        unknown = set(options) - {"noise", "rate_error_ppm", *self.options_known}
        if unknown:
            raise ValueError(f"{type(self).__name__} has no option {sorted(unknown)}")
        self.clock = clock
        self.signal = signal
        self.options = options
        self.random = random.Random(seed)
        drawn_ppm = round(self.random.uniform(-1, 1) * self.rate_error_ppm_max)
        self.rate_error_ppm: int = options.get("rate_error_ppm", drawn_ppm)
        self.has_noise = options.get("noise", True)
        self.fault: str | None = None
        self.brown_out_after = 0  # transfers that still go well before a brown-out
        self._ticker: Ticker | None = None  # runs while the chip converts
        self._made = 0  # instants of the ticker whose conversions are made

    def true_rate_nhz(self, nominal_mhz: float) -> int:
        """Return what the chip's own oscillator makes of a nominal rate in millihertz."""
        return round(nominal_mhz * (PPM + self.rate_error_ppm))

    def piece_error(self, typical: float, most: float) -> float:
        """Return the bias of this piece: Gaussian with sigma `typical`, within +-most."""
        drawn = self.random.gauss(0.0, typical)
        return max(-most, min(most, drawn)) if self.has_noise else 0.0

    def noise(self, sigma: float) -> float:
        """Return one draw of Gaussian noise, 0.0 where the model is noiseless."""
        return self.random.gauss(0.0, sigma) if self.has_noise else 0.0


class Drifting:
    """A signal as a chip sees it whose zero wanders from start_us on."""

    def __init__(
        self, signal: Any, per_second: "float | tuple[float, ...]", start_us: int
    ) -> None:
        self._signal = signal
        self._per_second = per_second
        self._start_us = start_us

    def sample(self, t_us: int) -> Any:
        """Return the signal at t_us and what it has wandered until then."""
        value = self._signal.sample(t_us)
        seconds = max(0, t_us - self._start_us) / 1_000_000
        if isinstance(self._per_second, tuple):
            pairs = zip(value, self._per_second, strict=True)
            return tuple(part + rate * seconds for part, rate in pairs)
        return value + self._per_second * seconds


def clip(value: float, bits: int) -> int:
    """Return value rounded half to even, saturated to two's complement of so many bits."""
    limit = 1 << (bits - 1)
    return max(-limit, min(limit - 1, round(value)))


class RegisterChip(Chip):
    """An I2C chip of registers behind an address pointer; a subclass says what they mean.

    A write's first byte sets the pointer; further bytes are written from there on.
    """

    def __init__(
        self, clock: Any, signal: Any, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        super().__init__(clock, signal, seed, options)
        self.pointer = 0

    def i2c_write(self, data: bytes, now_us: int) -> None:
        """Take one write message; an empty one only asks whether somebody is there."""
        self.advance(now_us)
        if not data:
            return
        self.pointer = data[0]
        if len(data) > 1:
            self.write_registers(self.pointer, data[1:], now_us)

    def i2c_read_into(self, buf: bytearray, now_us: int) -> None:
        """Fill buf from the pointer on."""
        self.advance(now_us)
        self.read_registers(self.pointer, buf)

    def advance(self, now_us: int) -> None:
        """Make what came due until now."""
        raise NotImplementedError

    def write_registers(self, register: int, data: bytes, now_us: int) -> None:
        """Write data from register on."""
        raise NotImplementedError

    def read_registers(self, register: int, buf: bytearray) -> None:
        """Fill buf from register on."""
        raise NotImplementedError
