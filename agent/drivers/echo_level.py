"""What drivers of ultrasonic water level sensors share that talk by themselves on a serial port.

The sensor looks down on the water, so level = height above the datum - distance: of the newest
echo in mm, or with window_ms of the echoes that agree in so long a window, in cm (agent.level).
"""

from agent.drivers.errors import SensorError
from agent.drivers.pace import Pace, spacing_of_rate
from agent.drivers.uart_bytes import UartBytes
from agent.level import SPACING_US, LevelWindow
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_BAUDRATE = const(9600)
_SILENCE_US_MAX = const(3_000_000)  # ten and more of the sensors' periods
# 50 bytes come in a second, a port's receive buffer holds 256: seldom enough, often enough.
_POLL_US_MAX = const(1_000_000)
_RATE_MHZ_MAX = const(10_000)


class EchoLevel:
    """One sensor on one serial port. A subclass's _take_byte() parses and calls _take_distance().

    settings: uart (number), height_mm (of the sensor's face above the datum, mm), every_ms
    (spacing of the samples, 100 or more; default 1000), window_ms (default 0: none).
    """

    channels = (("", "m", -3, 1),)
    samples_max = 1
    CHIP = ""
    DISTANCE_MM_MIN = 0
    DISTANCE_MM_MAX = 0  # beyond, and below the least, there was no echo

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._board = board
        self._name = settings["name"]
        self._height_mm = settings["height_mm"]
        self._pace = Pace(settings.get("every_ms", 1000) * 1000)
        window_ms = settings.get("window_ms", 0)
        self._window = LevelWindow(window_ms * 1000) if window_ms else None
        if self._window:
            self.channels = (("", "m", -2, 1),)
        self._apply_spacing()
        self._bytes = UartBytes(board, settings, _BAUDRATE)
        self._on_byte = self._take_byte  # bound once: that costs heap
        self.overflows = 0
        self.frame_errors = 0
        self._forget(0)

    def start(self) -> None:
        """Open the port. The sensor has no identity to ask for: silence shows in read()."""
        self._bytes.open()
        self._forget(self._board.clock.now_us())

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the level when one is due: of the newest echo, at most 3 s old, or of the window.

        Returns 0 until the first echo, or until the window is full. SensorError: 3 s without an
        echo, or the echoes of the window are no water's.
        """
        self._receive(now_us)
        if now_us - self._echo_us > _SILENCE_US_MAX:
            raise self._silence()
        if self._distance_mm == 0:
            return 0
        window = self._window
        if window and self._echo_us == now_us:
            window.add(self._distance_mm, now_us)
        if not self._pace.is_due(now_us) or (window and not window.is_full()):
            return 0
        if self._pace.take(now_us):
            self.overflows += 1
        if window:
            return self._take_level(window, out, now_us)
        out[0] = self._height_mm - self._distance_mm
        return 1

    def _take_level(self, window: LevelWindow, out: "array[int]", now_us: int) -> int:
        total, count = window.take(now_us)
        if window.is_stuck:
            raise SensorError(
                self._name + ": the echo of the " + self.CHIP + " is stuck: it is no water's.",
                "Look below the sensor for a branch, a web, ice or a dry bed.",
            )
        if not count:
            raise SensorError(
                self._name + ": the echoes of the " + self.CHIP + " do not agree.",
                "Look below the sensor for what stands in its way, and for spray on its face.",
            )
        # In cm, rounded: (height - total / count) / 10.
        out[0] = (self._height_mm * count - total + 5 * count) // (10 * count)
        return 1

    def self_test(self) -> bool:
        """Return whether an echo came within the last 3 s."""
        now_us = self._board.clock.now_us()
        self._receive(now_us)
        return self._distance_mm != 0 and now_us - self._echo_us <= _SILENCE_US_MAX

    def set_rate(self, rate_mhz: int) -> None:
        """Change the spacing of the samples, from the next on; ValueError outside 1..10000 mHz."""
        self._pace.restart(spacing_of_rate(rate_mhz, _RATE_MHZ_MAX))
        self._apply_spacing()

    def stop(self) -> None:
        """Nothing to do: it measures as long as it has power."""

    def _apply_spacing(self) -> None:
        self.spacing_us = self._pace.spacing_us
        longest_us = SPACING_US if self._window else _POLL_US_MAX
        self.poll_us = min(self.spacing_us, longest_us)

    def _forget(self, now_us: int) -> None:
        self._filled = 0  # bytes of the frame so far
        self._distance_mm = 0  # 0: no echo yet
        self._now_us = now_us
        self._frame_us = now_us
        self._echo_us = now_us
        self._pace.restart(self.spacing_us)
        if self._window:
            self._window.restart()

    def _receive(self, now_us: int) -> None:
        self._now_us = now_us
        self._bytes.receive(self._on_byte)

    def _take_byte(self, byte: int) -> None:
        raise NotImplementedError

    def _take_distance(self, distance_mm: int) -> None:
        """Note what a whole frame says."""
        self._frame_us = self._now_us
        if self.DISTANCE_MM_MIN <= distance_mm <= self.DISTANCE_MM_MAX:
            self._distance_mm = distance_mm
            self._echo_us = self._now_us

    def _silence(self) -> SensorError:
        if self._frame_us > self._echo_us:
            limits = str(self.DISTANCE_MM_MIN) + " and " + str(self.DISTANCE_MM_MAX)
            return SensorError(
                self._name + ": " + self.CHIP + " sees no echo between " + limits + " mm.",
                "Check that it looks straight down on open water and that its face is clean.",
            )
        return SensorError(
            self._name + ": nothing readable from the " + self.CHIP + " for 3 s.",
            "Check its power and that " + self._bytes.place() + ".",
        )
