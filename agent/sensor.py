"""One sensor: its driver, the readings that wait for their batch, and when they were taken.

Readings go from the driver into one preallocated array, interleaved by channel as the driver
writes them; work per read, not per reading. A series ends where readings are missing: an overflow
of the chip's FIFO or a failed read makes a gap, and what follows begins a new series.

Three kinds of time. Event sensors (spacing 0) and those that the agent paces itself ("every_ms")
were read when they were read: each read notes the time. All others have an oscillator of their
own: timebase.
"""

from array import array

from agent import drivers
from agent.drivers.errors import SensorError
from agent.timebase import SampleClock, even_spacing_ns
from agent.trigger import Trigger
from protocols.batch import Series
from protocols.portable import const
from protocols.vocabulary import GAP_SENSOR_FAULT, GAP_SENSOR_OVERFLOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.config import SensorRow
    from agent.log import Log
    from agent.policy import Rule

# 1500 values of 16 bits fill a frame when plain, and are half of one when packed on a quiet day.
# What does not fit, because the ground moves violently, the sealer sends in two.
READINGS_MAX = const(1500)
SERIES_WAITING_MAX = const(12)
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
        self.alerts: list[tuple[int, int]] = []  # (peak, time) for whoever polls
        self.gaps: list[tuple[str, int, int, int]] = []  # (channel, reason, from_us, until_us)
        self.faults_count = 0
        self.stalls_count = 0
        self._board = board
        self._create = create
        self._row = row
        self._log = log
        self._driver: Any = None
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
        if not keeps_driver or self.rule.pace != rule.pace:  # type: ignore[union-attr]
            self._stop()
            if rule.on:
                self._make_driver(rule, now_us)
        self.rule = rule
        self._report_us = rule.report_us

    def _make_driver(self, rule: "Rule", now_us: int) -> None:
        settings = dict(self._row.settings)
        settings.update(rule.pace)
        self._report_us = rule.report_us
        self._is_paced = "every_ms" in settings
        driver: Any = self._create(self._row.driver, self._board, settings)
        self._driver = driver
        self._scales = tuple((unit, (power, factor)) for _, unit, power, factor in driver.channels)
        self.channels = tuple(full_name(self.name, suffix) for suffix, _, _, _ in driver.channels)
        self._reserve()
        trigger = self._row.trigger
        self._trigger = trigger and Trigger(len(self.channels), trigger[0], trigger[1])
        self._start(now_us)

    def _reserve(self) -> None:
        width = len(self.channels)
        samples_max = self._driver.samples_max
        self._count_full = READINGS_MAX // width
        self._capacity = self._count_full + samples_max
        self._block = array("i", bytes(4 * samples_max * width))
        self._block_view = memoryview(self._block)
        self._buffer = array("i", bytes(4 * self._capacity * width))
        self._buffer_view = memoryview(self._buffer)
        self._count = 0
        self._times_us: list[int] = []

    def _start(self, now_us: int) -> None:
        try:
            self._driver.start()
        except SensorError as error:
            self._fail(error, now_us)
            return
        self._restart_clock()
        self._overflows_seen = self._driver.overflows
        self._works = True
        self.due_us = now_us + self.poll_us()

    def _restart_clock(self) -> None:
        is_exact = getattr(self._driver, "spacing_exact", False)
        pulses_from_us = self._board.clock.now_us() if is_exact else -1
        self._clock = SampleClock(self._driver.spacing_us, self.poll_us(), pulses_from_us)

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

    def poll_us(self) -> int:
        """Return the interval between two reads: no longer than a report may wait."""
        interval_us: int = self._driver.poll_us
        return min(interval_us, self._report_us)

    def poll(self, now_us: int) -> None:
        """Read what is due, and set due_us anew:

        On the grid of the polls, so that no lateness adds up.
        """
        if not self._works:
            self._start(now_us)
            return
        interval_us = self.poll_us()
        stalled = (now_us - self.due_us) // interval_us
        self.stalls_count += stalled
        self.due_us += (stalled + 1) * interval_us
        try:
            count = self._driver.read(self._block, now_us)
        except SensorError as error:
            self._fail(error, now_us)
            return
        if self._driver.overflows != self._overflows_seen:
            self._overflows_seen = self._driver.overflows
            self._lose(GAP_SENSOR_OVERFLOW, now_us)
        if count:
            self._take(count, now_us)

    def poll_event(self, now_us: int) -> bool:
        """Read a working sensor of events, due or not.

        Return whether it has seen a change that must hold for a while to be a reading.
        """
        if not (self._works and self.is_event()):
            return False
        self.due_us = min(self.due_us, now_us)
        self.poll(now_us)
        return bool(getattr(self._driver, "is_settling", False))

    def _take(self, count: int, now_us: int) -> None:
        self._retry_after_us = RETRY_US_MIN
        width = len(self.channels)
        if self._count + count > self._capacity:
            self._close_series()
        at = self._count * width
        self._buffer_view[at : at + count * width] = self._block_view[: count * width]
        self._count += count
        self._note_times(count, now_us)
        if self._lost_from_us >= 0:
            self._end_loss(self._time_us(0))
        if self._trigger:
            peak = self._trigger.feed(list(self._block_view[: count * width]), now_us)
            if peak:
                self.alerts.append((peak, now_us))

    def _note_times(self, count: int, now_us: int) -> None:
        if self._is_by_read():
            # Several at once (none of today's drivers): a microsecond apart, so that their order
            # stays.
            for back in range(count - 1, -1, -1):
                self._times_us.append(now_us - back)
            self._good_until_us = now_us
        elif self._lost_from_us >= 0:
            self._clock.advance_after_loss(count, now_us)
        else:
            self._clock.advance(count, now_us)

    def _is_by_read(self) -> bool:
        return self._is_paced or not self._driver.spacing_us

    def _time_us(self, position: int) -> int:
        if self._is_by_read():
            return self._times_us[position]
        return self._clock.time_us(self._count - 1 - position)

    # -- losses --

    def report_loss(self, now_us: int) -> None:
        """Name the part of a loss that still goes on, when a minute of it has passed."""
        if self._lost_from_us >= 0 and now_us - self._lost_from_us >= FAULT_REPORT_US:
            self._note_gap(now_us)
            self._lost_from_us = now_us

    def _lose(self, reason: int, now_us: int) -> None:
        if self._lost_from_us >= 0:
            return
        good_until_us = self._good_until_us
        if not self._is_by_read():
            good_until_us = self._clock.next_us()
        self._close_series()
        self._lost_from_us = min(now_us, good_until_us) if good_until_us >= 0 else now_us
        self._lost_reason = reason

    def _end_loss(self, until_us: int) -> None:
        self._note_gap(max(until_us, self._lost_from_us))
        self._lost_from_us = -1

    def _note_gap(self, until_us: int) -> None:
        for channel in self.channels:
            self.gaps.append((channel, self._lost_reason, self._lost_from_us, until_us))

    # -- series --

    def is_event(self) -> bool:
        """Tell whether readings come only on change, and must not wait."""
        return self._driver is not None and not self._driver.spacing_us

    def is_full(self) -> bool:
        """Tell whether the readings that wait should become a batch now."""
        return self._count >= self._count_full or len(self._closed) > SERIES_WAITING_MAX

    def has_readings(self) -> bool:
        """Tell whether take_series() has something to give."""
        return bool((self._driver is not None and self._count) or self._closed)

    def take_series(self) -> "list[Series]":
        """Return and forget the waiting readings, oldest first."""
        if self._driver is not None:
            self._close_series()
        taken = self._closed
        self._closed = []
        return taken

    def peak_series(self, peak: int, at_us: int) -> Series:
        """Return an alert of the trigger as a series of one reading."""
        unit, scale = self._scales[0]
        name = self.name + ".peak"
        return Series(name, unit, scale, at_us, spacing_ns=0, values=[peak], times_us=[at_us])

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

    def _close_series(self) -> None:
        count = self._count
        if not count:
            return
        width = len(self.channels)
        values = list(self._buffer_view[: count * width])
        start_us, spacing_ns, times_us = self._grid()
        for position in range(width):
            unit, scale = self._scales[position]
            series = Series(
                self.channels[position],
                unit,
                scale,
                start_us,
                spacing_ns=spacing_ns,
                values=values[position::width],  # a list
                times_us=times_us,
                plain=self._row.plain,
            )
            self._closed.append(series)
        self._count = 0
        self._times_us = []

    def _grid(self) -> "tuple[int, int, list[int] | None]":
        """Return (start_us, spacing_ns, times_us or None) of the readings that wait."""
        start_us = self._time_us(0)
        if not self._is_by_read():
            return start_us, self._clock.spacing_ns, None
        spacing_ns = even_spacing_ns(self._times_us)
        return start_us, spacing_ns, None if spacing_ns else self._times_us


def full_name(sensor: str, suffix: str) -> str:
    """Return the name of a channel."""
    return sensor + "." + suffix if suffix else sensor
