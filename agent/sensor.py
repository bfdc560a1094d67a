"""One sensor: its driver, the readings that wait for their batch, and when they were taken.

Readings go from the driver into one preallocated ring, interleaved by channel as the driver
writes them; work per read, not per reading, and nothing is made on the heap. A series ends where
readings are missing: an overflow of the chip's FIFO or a failed read makes a gap, and what
follows begins a new series.

A mode may leave the waveform out. The ring then holds the newest samples, and the onset of an
event sends them with what follows, until the event has passed: as `acc.x.event`.

Three kinds of time. Event sensors (spacing 0) and those that the agent paces itself ("every_ms")
were read when they were read: each read notes the time. All others have an oscillator of their
own: timebase.
"""

from array import array

from agent import drivers
from agent.block_watch import BlockWatch
from agent.drivers.errors import SensorError
from agent.ring import Ring
from agent.timebase import SampleClock, even_spacing_ns
from protocols.batch import Series
from protocols.portable import const
from protocols.vocabulary import GAP_SENSOR_FAULT, GAP_SENSOR_OVERFLOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.config import OwnRuleRow, SensorRow
    from agent.log import Log
    from agent.policy import Rule

# 1500 values of 16 bits fill a frame when plain, and are half of one when packed on a quiet day.
# What does not fit, because the ground moves violently, the sealer sends in two.
READINGS_MAX = const(1500)
READINGS_MIN = const(32)
SERIES_WAITING_MAX = const(12)
# An onset is known within this time, the poll of a slow chip's full FIFO notwithstanding.
DETECT_POLL_US_MAX = const(500_000)
# However long the ground shakes: the averages have met long before.
EVENT_US_MAX = const(300_000_000)
_MILLI_PLACES = const(3)
RETRY_US_MIN = const(1_000_000)
RETRY_US_MAX = const(64_000_000)
# A sensor that stays broken is named lost once a minute, not at every report.
FAULT_REPORT_US = const(60_000_000)


class Sensor:
    """row: its checked part of the configuration. It rests until follow() gives it a rule.

    create: (driver's name, board, settings) -> driver.
    """

    def __init__(
        self, board: "Any", row: "SensorRow", log: "Log", create: "Any" = drivers.create
    ) -> None:
        self.name = row.name
        self.personal = row.personal
        self.rule: Rule | None = None
        self.due_us = 0
        self.alerts: list[Series] = []  # for whoever polls
        self.gaps: list[tuple[str, int, int, int]] = []  # (channel, reason, from_us, until_us)
        self.faults_count = 0
        self.stalls_count = 0
        self._board = board
        self._create = create
        self._row = row
        self._log = log
        self._driver: Any = None
        self._ring: Any = None
        self._watch: Any = None
        self._works = False
        self._retry_us = 0
        self._retry_after_us = RETRY_US_MIN
        self._report_us = 0
        self._lost_from_us = -1  # where the open gap begins; -1: none is open
        self._lost_reason = 0
        self._clock = SampleClock(0, 0)
        self._good_until_us = -1  # time of the newest reading, where reads note the time
        self._closed: list[Series] = []

    # -- life --

    def follow(self, rule: "Rule", now_us: int) -> None:
        """Obey another mode's rule from now on. The caller has taken the series before."""
        keeps_driver = self._driver is not None and rule.on and self.rule is not None
        self._report_us = rule.report_us
        if not keeps_driver or self.rule.pace != rule.pace:  # type: ignore[union-attr]
            self._stop()
            if rule.on:
                self._make_driver(rule, now_us)
        else:
            self._reserve(rule)
            self._clock.poll_every(self._interval_us())
        self.rule = rule

    def _make_driver(self, rule: "Rule", now_us: int) -> None:
        settings = dict(self._row.settings)
        settings.update(rule.pace)
        driver: Any = self._create(self._row.driver, self._board, settings)
        self._driver = driver
        self._is_event = not driver.spacing_us
        self._is_by_read = self._is_event or "every_ms" in settings
        self._ring = self._watch = None
        self._scales = tuple((unit, (power, factor)) for _, unit, power, factor in driver.channels)
        self.channels = tuple(full_name(self.name, suffix) for suffix, _, _, _ in driver.channels)
        self._reserve(rule)
        self._start(now_us)

    def _reserve(self, rule: "Rule") -> None:
        """Make what holds and watches the samples; a mode that wants the same keeps it."""
        driver = self._driver
        width = len(self.channels)
        spacing_us = driver.spacing_us
        detector = self._row.detector
        self._interval_us_max = min(
            self._report_us, DETECT_POLL_US_MAX if detector else self._report_us
        )
        self._sends_all = rule.waveform
        self._event_until_us = -1  # until when readings are those of an event; -1: there is none
        self._count = 0  # readings of the series that is open, the newest of the ring
        self._waiting_count = 0  # of those that are closed and wait for their frame
        self._times_us: list[int] = []
        self._before_count = 0  # sets before an onset that are sent
        expected = rule.report_us // spacing_us if spacing_us else 0
        if detector:
            self._before_count = min(
                detector["pre_ms"] * 1000 // spacing_us, READINGS_MAX // width
            )
            expected = max(expected, self._before_count)
        self._count_full = min(READINGS_MAX // width, max(READINGS_MIN, expected + 1))
        capacity = self._count_full + driver.samples_max
        if self._ring is None or self._ring.capacity != capacity:
            self._block = array("i", bytes(4 * driver.samples_max * width))
            self._ring = Ring(width, capacity)
        if self._watch is None or not self._watch.suits(rule):
            self._watch = BlockWatch(self._row, width, spacing_us, rule)
        self._is_watched = self._watch.is_needed

    def _start(self, now_us: int) -> None:
        try:
            self._driver.start()
        except SensorError as error:
            self._fail(error, now_us)
            return
        self._restart_clock()
        self._overflows_seen = self._driver.overflows
        self._works = True
        self.due_us = now_us + self._interval_us()

    def _restart_clock(self) -> None:
        is_exact = getattr(self._driver, "spacing_exact", False)
        pulses_from_us = self._driver.paced_from_us if is_exact else -1
        self._clock = SampleClock(self._driver.spacing_us, self._interval_us(), pulses_from_us)
        self._clock.lag_us = getattr(self._driver, "lag_us", 0)

    def _stop(self) -> None:
        if self._driver is not None and self._works:
            try:
                self._driver.stop()
            except SensorError as error:
                self._log.warning(str(error))
        self._driver = None
        self._works = False

    def _fail(self, error: SensorError, now_us: int) -> None:
        self.faults_count += 1
        if self._works or self._lost_from_us < 0:
            self._log.warning(str(error))
        self._lose(GAP_SENSOR_FAULT, now_us)
        self._works = False
        self.due_us = now_us + self._retry_after_us
        self._retry_after_us = min(2 * self._retry_after_us, RETRY_US_MAX)

    # -- reading --

    def poll(self, now_us: int) -> bool:
        """Read what is due, and set due_us anew: on a grid, so that no lateness adds up.

        The grid is the agent's, or follows the samples of a chip that has an oscillator.
        Return whether something of it should not wait for its report: an alert, an event, a gap,
        a ring that is full. The path of every reading; what seldom happens has its own functions.
        """
        if not self._works:
            self._start(now_us)
            return True
        driver = self._driver
        interval_us = driver.poll_us  # an input that settles has another than one that rests
        if interval_us > self._interval_us_max:
            interval_us = self._interval_us_max
        due_us = self.due_us
        if not 0 <= now_us - due_us < interval_us:
            stalled = (now_us - due_us) // interval_us
            self.stalls_count += stalled
            due_us += stalled * interval_us
        self.due_us = due_us + interval_us
        held = self._count + self._waiting_count
        if held > self._count_full:
            self._make_room(now_us)
        block = self._block
        try:
            count = driver.read(block, now_us)
        except SensorError as error:
            self._fail(error, now_us)
            return True
        is_news = self._is_event
        if count:
            self._ring.append(block, count)
        if driver.overflows != self._overflows_seen:
            self._overflows_seen = driver.overflows
            self._lose(GAP_SENSOR_OVERFLOW, now_us, newer=count)
            is_news = True
        if count:
            is_sent = self._sends_all or self._event_until_us >= 0
            if is_sent:
                self._count += count
            if self._is_by_read:
                self._good_until_us = now_us
                if is_sent:
                    self._times_us.append(now_us)
            else:
                self._follow_clock(count, now_us)
            if self._lost_from_us >= 0:
                self._end_loss(count, is_sent)
                is_news = True
            if self._is_watched:
                self._watch_block(count, now_us)
                is_news = True
        elif not self._is_by_read:
            self._follow_clock(0, now_us)
        return is_news or held + count >= self._count_full

    def _interval_us(self) -> int:
        """Return the interval between two reads: no longer than a report may wait."""
        return min(self._driver.poll_us, self._interval_us_max)

    def poll_event(self, now_us: int) -> bool:
        """Read a working sensor of events, due or not.

        Return whether it has seen a change that must hold for a while to be a reading.
        """
        if not (self._works and self.is_event()):
            return False
        self.due_us = min(self.due_us, now_us)
        self.poll(now_us)
        return bool(getattr(self._driver, "is_settling", False))

    def _make_room(self, now_us: int) -> None:
        """Where nobody took the readings in time, they are lost, and named so."""
        self._close_series(0)
        from_us = min([series.start_us for series in self._closed])
        self._closed = []
        self._waiting_count = 0
        self._lose(GAP_SENSOR_OVERFLOW, now_us)
        self._lost_from_us = min(self._lost_from_us, from_us)

    def _follow_clock(self, count: int, now_us: int) -> None:
        """Let the clock of the samples learn of a read, and choose the time of the next."""
        if self._lost_from_us < 0:
            self._clock.advance(count, now_us)
        elif count:
            self._clock.advance_after_loss(count, now_us)
        self.due_us = self._clock.aim(self.due_us)

    def _watch_block(self, count: int, now_us: int) -> None:
        watch = self._watch
        watch.feed(self._block, count, now_us)
        if watch.peak:
            self.alerts.append(self.peak_series(watch.peak, now_us))
        if watch.onset >= 0:
            self._begin_event(watch.onset, now_us)
        elif self._event_until_us >= 0:
            self._follow_event(now_us)

    # -- events --

    def _begin_event(self, sets_ago: int, now_us: int) -> None:
        at_us = self._clock.time_us(sets_ago)
        ratio = self._watch.ratio_percent()
        self.alerts.append(one_reading(self.name + ".onset", ("1", (-2, 1)), ratio, at_us))
        if not self._sends_all and self._event_until_us < 0:
            self._count = min(self._ring.kept, self._before_count + sets_ago + 1)
        detector = self._row.detector
        assert detector is not None
        self._event_end_us = now_us + EVENT_US_MAX
        self._event_until_us = now_us + detector["post_ms"] * 1000

    def _follow_event(self, now_us: int) -> None:
        detector = self._row.detector
        assert detector is not None
        if self._watch.is_shaking() and now_us < self._event_end_us:
            self._event_until_us = now_us + detector["post_ms"] * 1000
        elif now_us >= self._event_until_us:
            if not self._sends_all:
                self._close_series(0)
            self._event_until_us = -1

    def _time_us(self, position: int) -> int:
        if self._is_by_read:
            return self._times_us[position]
        return self._clock.time_us(self._count - 1 - position)

    # -- losses --

    def report_loss(self, now_us: int) -> None:
        """Name the part of a loss that still goes on, when a minute of it has passed."""
        if self._lost_from_us >= 0 and now_us - self._lost_from_us >= FAULT_REPORT_US:
            self._note_gap(now_us)
            self._lost_from_us = now_us

    def _lose(self, reason: int, now_us: int, newer: int = 0) -> None:
        """Begin a gap; newer: sets of the ring that lie behind it."""
        if self._driver is not None:
            self._ring.forget(newer)
            if reason == GAP_SENSOR_FAULT:
                self._watch.note_fault()
        if self._lost_from_us >= 0:
            return
        good_until_us = self._good_until_us
        if not self._is_by_read:
            good_until_us = self._clock.next_us()
        self._close_series(newer)
        self._close_window()
        self._lost_from_us = min(now_us, good_until_us) if good_until_us >= 0 else now_us
        self._lost_reason = reason

    def _end_loss(self, count: int, is_sent: bool) -> None:
        """The gap ends where the newest `count` sets begin."""
        self._retry_after_us = RETRY_US_MIN
        if self._is_by_read:
            until_us = self._good_until_us
        else:
            until_us = self._clock.time_us((self._count if is_sent else count) - 1)
        self._note_gap(max(until_us, self._lost_from_us))
        self._lost_from_us = -1

    def _note_gap(self, until_us: int) -> None:
        for channel in self.channels:
            self.gaps.append((channel, self._lost_reason, self._lost_from_us, until_us))

    # -- series --

    def is_event(self) -> bool:
        """Tell whether readings come only on change, and must not wait."""
        return self._driver is not None and self._is_event

    def is_full(self) -> bool:
        """Tell whether the readings that wait should become a batch now."""
        if self._count + self._waiting_count >= self._count_full:
            return True
        # Nothing of an event waits: an onset is news, and after its end the ring comes round.
        is_news = self._watch.onset >= 0 and self._count
        is_over = not self._sends_all and self._waiting_count
        return bool(is_news or is_over) or len(self._closed) > SERIES_WAITING_MAX

    def own_rule(self) -> "OwnRuleRow | None":
        """Return what its value means while no hub is heard."""
        return self._row.own_rule

    def newest_milli(self) -> "int | None":
        """Return the first channel's newest value in thousandths of its unit, rounded down.

        None without one, or at a fault.
        """
        raw = self._ring.newest(0) if self._driver is not None and self._works else None
        if raw is None:
            return None
        exponent, multiplier = self._scales[0][1]
        power = exponent + _MILLI_PLACES
        return int(raw * multiplier * 10**power if power >= 0 else raw * multiplier // 10**-power)

    def has_readings(self) -> bool:
        """Tell whether take_series() has something to give."""
        return bool((self._driver is not None and self._count) or self._closed)

    def take_series(self, ends_window: bool = False) -> "list[Series]":
        """Return and forget the waiting readings, oldest first; features at the window's end."""
        if self._driver is not None:
            self._close_series(0)
            if ends_window:
                self._close_window()
            self._waiting_count = 0
        taken = self._closed
        self._closed = []
        return taken

    def peak_series(self, peak: int, at_us: int) -> Series:
        """Return an alert of the trigger as a series of one reading."""
        return one_reading(self.name + ".peak", self._scales[0], peak, at_us)

    def self_test(self, now_us: int) -> bool:
        """Exercise the sensor; what it measures meanwhile is lost, and named so."""
        if self._driver is None:
            return False
        self._lose(GAP_SENSOR_OVERFLOW, now_us)
        try:
            passed: bool = self._works and self._driver.self_test()
        except SensorError as error:
            self._fail(error, now_us)
            return False
        self._restart_clock()
        return passed

    def statistics(self) -> "dict[str, int]":
        """Return the counters of this sensor."""
        return {
            "faults": self.faults_count,
            "stalls": self.stalls_count,
            "overflows": self._driver.overflows if self._driver is not None else 0,
        }

    def _close_series(self, newer: int) -> None:
        """End the open series; newer: sets of the ring that came after it."""
        count = self._count
        if not count:
            return
        start_us, spacing_ns, times_us = self._grid()
        for position in range(len(self.channels)):
            name = self.channels[position]
            unit, scale = self._scales[position]
            series = Series(
                name if self._sends_all else name + ".event",
                unit,
                scale,
                start_us,
                spacing_ns=spacing_ns,
                values=self._ring.column(position, count, newer),
                times_us=times_us,
                plain=self._row.plain,
            )
            self._closed.append(series)
        self._waiting_count += count
        self._count = 0
        self._times_us = []

    def _close_window(self) -> None:
        """End the window of features: readings that begin with it and are as far apart as it."""
        count = self._watch.window_count()
        if not count:
            return
        start_us = self._clock.time_us(count - 1)
        spacing_ns = count * self._clock.spacing_ns
        for position, suffix, places, value in self._watch.take_window():
            unit, (exponent, multiplier) = self._scales[position]
            name = self.channels[position] + "." + suffix
            scale = (exponent - places, multiplier)
            self._closed.append(
                Series(name, unit, scale, start_us, spacing_ns=spacing_ns, values=[value])
            )

    def _grid(self) -> "tuple[int, int, list[int] | None]":
        """Return (start_us, spacing_ns, times_us or None) of the readings that wait."""
        start_us = self._time_us(0)
        if not self._is_by_read:
            return start_us, self._clock.spacing_ns, None
        spacing_ns = even_spacing_ns(self._times_us)
        return start_us, spacing_ns, None if spacing_ns else self._times_us


def full_name(sensor: str, suffix: str) -> str:
    """Return the name of a channel."""
    return sensor + "." + suffix if suffix else sensor


def one_reading(
    name: str, scaling: "tuple[str, tuple[int, int]]", value: int, at_us: int
) -> Series:
    """Return a series of one reading; scaling: unit, (exponent, multiplier)."""
    unit, scale = scaling
    return Series(name, unit, scale, at_us, spacing_ns=0, values=[value], times_us=[at_us])
