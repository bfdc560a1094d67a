"""Model of the MaxBotix MB7389 ultrasonic sensor (HRXL-MaxSonar-WR data sheet), serial output.

Free-running: "Rdddd\\r" every 148 ms at 9600 baud, 300 for all that is nearer, 5000 for no echo.
After power-up some lines of text, of which one begins with R. Not modelled: its filter of some
readings, the analogue and pulse outputs.
"""

from typing import Any

from simulators.chips.talker import Talker

SPACING_US = 148_000
NEAREST_MM, NO_ECHO_MM = 300, 5000
NOISE_MM = 1.0  # "reading to reading stability of 1 mm at 1 m is typical"
GREETING = b"HRXL-MaxSonar-WRMT\rMB7389\rRoHS 1.0\rTempI\r"


class Mb7389Chip(Talker):
    """The sensor. signal: distance in m. fault, besides a talker's: "no_echo"."""

    rate_error_ppm_max = 10_000
    boot_us = 50_000

    def greeting(self) -> bytes:
        return GREETING

    def spacing_us(self) -> int:
        return SPACING_US + SPACING_US * self.rate_error_ppm // 1_000_000

    def measure(self, t_us: int) -> int:
        distance_mm: int = round(self.signal.sample(t_us) * 1000 + self.noise(NOISE_MM))
        return min(max(distance_mm, NEAREST_MM), NO_ECHO_MM)

    def message(self, measured: Any, t_us: int) -> bytes:
        distance_mm = NO_ECHO_MM if self.fault == "no_echo" else measured
        return b"R%04d\r" % distance_mm

    def spoil(self, message: bytes) -> bytes:
        return message[:3] + b"?" + message[4:]  # it has none: a damaged digit
