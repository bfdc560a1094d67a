"""Model of the A02YYUW ultrasonic sensor (UART version, DFRobot SEN0311), "processed" output.

Frames 0xFF H L SUM at 9600 baud, 8N1, every 100..300 ms (DFRobot wiki). In its blind zone under
30 mm it says 0; beyond 4500 mm it says what it says, and the reader has to know better.
"""

import random
from typing import Any

from simulators.chips.chip import Drifts
from simulators.signals.basic import Scalar

BYTE_US = 1_042  # ten bits at 9600 baud
SPACING_US_MIN, SPACING_US_MAX = 100_000, 300_000
BLIND_MM = 30
NOISE_MM = 2.0


class A02yyuwChip(Drifts):
    """The sensor. signal: distance in m.

    options: noise_mm (standard deviation). fault: None, "nack" or "stuck_bus" (silent), "no_echo",
    "garbage" (random bytes), "wrong_checksum", "stuck_value".
    """

    def __init__(
        self, clock: Any, signal: Scalar, seed: int = 0, options: dict[str, Any] | None = None
    ) -> None:
        self._clock = clock
        self.signal = signal
        self._dice = random.Random(seed)
        self._noise_mm = (options or {}).get("noise_mm", NOISE_MM)
        self.fault: str | None = None
        self._distance_mm = 0
        self.power_on(clock.now_us())

    def attach(self, board: Any, settings: dict[str, Any]) -> None:
        """Wire it to the serial port of the driver's settings."""
        board.uarts[settings["uart"]] = self

    def power_on(self, now_us: int) -> None:
        """Begin to measure; the first frame comes within one period."""
        self._frame = b""  # the frame that is going out, empty before its first bit
        self._sent = 0
        self._frame_us = now_us
        self._schedule()

    def feed(self, now_us: int) -> bytes:
        """Return the bytes whose last bit has gone out since the last call."""
        received = bytearray()
        while now_us >= self._frame_us + BYTE_US:
            if not self._frame:
                self._frame = self._make_frame(self._frame_us)
            due = min(len(self._frame), (now_us - self._frame_us) // BYTE_US)
            received += self._frame[self._sent : due]
            self._sent = due
            if due < len(self._frame):
                break
            self._schedule()
        return b"" if self.fault in ("nack", "stuck_bus") else bytes(received)

    def write(self, data: bytes) -> None:
        """Its RX is a mode pin, high at rest: bytes do nothing lasting."""

    def _schedule(self) -> None:
        self._frame_us += self._dice.randint(SPACING_US_MIN, SPACING_US_MAX)
        self._frame = b""
        self._sent = 0

    def _make_frame(self, t_us: int) -> bytes:
        if self.fault == "garbage":
            return self._dice.randbytes(4)
        if self.fault != "stuck_value":
            self._distance_mm = self._measure_mm(t_us)
        distance_mm = 0 if self.fault == "no_echo" else self._distance_mm
        frame = bytes((0xFF, distance_mm >> 8, distance_mm & 0xFF))
        wrong = 1 if self.fault == "wrong_checksum" else 0
        return frame + bytes(((sum(frame) + wrong) & 0xFF,))

    def _measure_mm(self, t_us: int) -> int:
        noise_mm = self._dice.gauss(0.0, self._noise_mm) if self._noise_mm else 0.0
        distance_mm = round(self.signal.sample(t_us) * 1000 + noise_mm)
        return 0 if distance_mm < BLIND_MM else min(distance_mm, 0xFFFF)
