"""What a sensor's blocks say besides their samples: alerts, onsets, features of a window."""

from agent.detector import Detector
from agent.features import FEATURES, BlockSums, Window
from agent.trigger import Trigger
from protocols.portable import const

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array

    from agent.config import SensorRow
    from agent.policy import Rule

TRIGGER_HOLD_MS = const(1000)  # of a sensor whose own row has no trigger


class BlockWatch:
    """Looks at every block of one sensor.

    width: channels. spacing_us: nominal. rule: whether the mode wants features, and what peak is
    an alert.
    is_needed: tells whether there is anything to look for.
    After feed(): peak, raw, to report, or 0; onset: sets before the newest where an event began,
    or -1.
    """

    def __init__(self, row: "SensorRow", width: int, spacing_us: int, rule: "Rule") -> None:
        trigger, detector = row.trigger, row.detector
        keeps_features = rule.features
        self._suits = (rule.features, rule.trigger_raw)
        if rule.trigger_raw >= 0:
            hold_ms = trigger[1] if trigger else TRIGGER_HOLD_MS
            trigger = (rule.trigger_raw, hold_ms) if rule.trigger_raw else None
        self.peak = 0
        self.onset = -1
        self._trigger = trigger and Trigger(width, trigger[0], trigger[1])
        self._detector = detector and Detector(width, spacing_us, detector)
        self._windows = [Window() for _ in range(width if keeps_features else 0)]
        self._sums = BlockSums(width) if self._trigger or self._windows else None
        self.is_needed = bool(self._detector or self._sums)

    def suits(self, rule: "Rule") -> bool:
        """Tell whether another mode's rule wants nothing else of it."""
        return self._suits == (rule.features, rule.trigger_raw)

    def feed(self, block: "array[int]", count: int, now_us: int) -> None:
        """Take the first count >= 1 sets of a block that was read at now_us."""
        if self._detector:
            self.onset = self._detector.feed(block, count)
        if self._sums is None:
            return
        self._sums.take(block, count)
        for channel in range(len(self._windows)):
            self._windows[channel].feed(self._sums, channel)
        if self._trigger:
            self.peak = self._trigger.feed(self._sums, now_us)

    def is_shaking(self) -> bool:
        """Tell whether an event goes on."""
        return bool(self._detector) and self._detector.is_active()  # type: ignore[union-attr]

    def ratio_percent(self) -> int:
        """Return the ratio of short to long average now; there is a detector."""
        return self._detector.ratio_percent()  # type: ignore[union-attr]

    def note_fault(self) -> None:
        """Begin anew: what the sensor says from now on need not be near to what it said."""
        if self._detector:
            self._detector.restart()

    def window_count(self) -> int:
        """Return the sets in the window so far; 0 without features."""
        return self._windows[0].count if self._windows else 0

    def take_window(self) -> "list[tuple[int, str, int, int]]":
        """Return (channel, suffix, decimal places, value) of the window; begin a new one."""
        taken = []
        for channel in range(len(self._windows)):
            values = self._windows[channel].take()
            for (suffix, places), value in zip(FEATURES, values):
                taken.append((channel, suffix, places, value))
        return taken
