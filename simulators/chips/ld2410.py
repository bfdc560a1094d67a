"""Model of the HLK-LD2410 radar (Hi-Link, serial communication protocol V1.02), basic reports.

Signal: (somebody is here, moves, distance in m), as simulators.signals.household.Presence. It
reports each 100 ms; whoever leaves is still reported for `hold_us` ("no one duration", by default
5 s); it sees up to 6 m, in gates of 0.75 m. Not modelled: commands, engineering mode.
"""

from typing import Any

from simulators.chips.talker import Talker

SPACING_US = 100_000
HOLD_US = 5_000_000
RANGE_M = 6.0
NOISE_CM = 8.0
NOBODY, MOVING, STILL, BOTH = range(4)
SEEN_LONG_AGO_US = -(1 << 62)


class Ld2410Chip(Talker):
    """One radar. options: hold_us. fault: as of all talkers."""

    baudrate = 256_000
    rate_error_ppm_max = 20_000
    options_known = ("hold_us",)

    def power_on(self, now_us: int) -> None:
        """Nobody was seen yet."""
        self._seen_us = SEEN_LONG_AGO_US
        self._distance_cm = 0
        super().power_on(now_us)

    def spacing_us(self) -> int:
        return SPACING_US + SPACING_US * self.rate_error_ppm // 1_000_000

    def measure(self, t_us: int) -> tuple[int, int]:
        """Return (state, distance in cm)."""
        here, moving, distance_m = self.signal.sample(t_us)
        if here < 0.5 or distance_m > RANGE_M:
            is_held = t_us - self._seen_us < self.options.get("hold_us", HOLD_US)
            return (STILL if is_held else NOBODY), self._distance_cm
        self._seen_us = t_us
        distance_cm = max(0, round(distance_m * 100 + self.noise(NOISE_CM)))
        self._distance_cm = min(distance_cm, round(RANGE_M * 100))
        return (BOTH if moving >= 0.5 else STILL), self._distance_cm

    def message(self, measured: Any, t_us: int) -> bytes:
        state, distance_cm = measured
        target = int(distance_cm).to_bytes(2, "little")
        body: bytes = bytes((2, 0xAA, state)) + b"".join(
            (target, bytes((60 if state & MOVING else 0,)), target)
        )
        body += bytes((80 if state & STILL else 0,)) + target + b"\x55\x00"
        return b"\xf4\xf3\xf2\xf1" + len(body).to_bytes(2, "little") + body + b"\xf8\xf7\xf6\xf5"

    def spoil(self, message: bytes) -> bytes:
        return message[:-5] + b"\x01" + message[-4:]  # its "check" byte, always 0
