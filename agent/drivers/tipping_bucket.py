"""Rain from a tipping bucket gauge: a reed contact closes for a moment at each tip.

The body of the board counts the pulses by interrupt, so that none is lost between two reads. A
reading is the sum since the board's start, not the rain of its interval: where a reading is lost,
the next one still has its rain, and a change of mode loses none.

The contact stays closed for about 0.1 s and bounces when it closes and when it opens; the
debounce time must be longer than that. Even 0.2 mm a tip and 1000 mm/h of rain (more than twice
the most that was ever measured over an hour) leave 0.72 s between tips.
"""

from agent.drivers.errors import SensorError
from agent.drivers.pace import Pace
from agent.drivers.scale import scale_of
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

_DEBOUNCE_MS = const(250)
_TIP_UM = const(500)  # 0.5 mm, the usual gauge in Japan
_RAIN_UM_PER_S_MAX = const(278)  # 1000 mm/h
_TIPS_SPARE = const(2)  # one that was about to tip, and one on the edge of the interval


class TippingBucket:
    """One gauge on one pin, between the pin and ground.

    settings: pin (number), tip_um (rain of one tip in um; default 500), debounce_ms (default
    250), every_ms (spacing of the samples; default 60000).
    """

    samples_max = 1

    def __init__(self, board: "Any", settings: "dict[str, Any]") -> None:
        self._board = board
        self._name = settings["name"]
        self._pin_number = settings["pin"]
        self._tip_um = settings.get("tip_um", _TIP_UM)
        self._debounce_us = settings.get("debounce_ms", _DEBOUNCE_MS) * 1000
        self._pace = Pace(settings.get("every_ms", 60_000) * 1000)
        self.spacing_us = self.poll_us = self._pace.spacing_us
        multiplier, exponent = scale_of(self._tip_um, 1_000_000)
        self.channels = (("", "m", exponent, multiplier),)
        self.overflows = 0
        self._pulses: Any = None
        self._counted = 0
        self._counted_us = 0

    def start(self) -> None:
        """Begin to count, or go on. A gauge in dry weather and a broken wire look the same."""
        self._pulses = self._board.pulses(self._pin_number, "up", self._debounce_us)
        self._counted = self._pulses.count()
        self._counted_us = self._board.clock.now_us()
        self._pace.restart(self.spacing_us)

    def read(self, out: "array[int]", now_us: int) -> int:
        """Write the tips since the board's start when a sample is due.

        SensorError: more of them since the last sample than rain can make.
        """
        if not self._pace.is_due(now_us):
            return 0
        count = self._pulses.count()
        tips, elapsed_us = count - self._counted, now_us - self._counted_us
        self._counted, self._counted_us = count, now_us
        if self._pace.take(now_us):
            self.overflows += 1
        if tips > _TIPS_SPARE + elapsed_us * _RAIN_UM_PER_S_MAX // (self._tip_um * 1_000_000):
            raise SensorError(
                self._name + ": " + str(tips) + " tips are more than rain can make.",
                "Check the gauge's cable for a loose contact or something that disturbs it.",
            )
        out[0] = count
        return 1

    def self_test(self) -> bool:
        """Return True: only water can tip it."""
        return True

    def stop(self) -> None:
        """Nothing to do: the count goes on."""
