"""When to read which sensor, and when its readings leave as a batch.

Sensors of the same lane and report time report together: one frame, several series. Every due time
lies on a grid (previous due + interval), so that lateness never adds up; after a stall whole
intervals are skipped.
"""

from protocols.portable import const
from protocols.vocabulary import LANE_ALERT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.policy import Policy
    from agent.sealer import Sealer
    from agent.sensor import Sensor

IDLE_US = const(1_000_000)  # how long to wait when no sensor is on
# An edge wakes the agent; a contact that bounces is looked at again until it has surely settled.
EVENT_POLL_MS = 5
EVENT_WATCH_US = 50_000


class Report:
    """Sensors that share a lane and a report time, and whether they are personal."""

    def __init__(self, key: "tuple[int, int, bool]", now_us: int) -> None:
        self.lane, self.interval_us, self.personal = key
        self.due_us = now_us + self.interval_us
        self.sensors: list[Sensor] = []


class Sampler:
    """Reads the sensors of one device. sensors: in the order of the configuration."""

    def __init__(self, sensors: "list[Sensor]", policy: "Policy", sealer: "Sealer") -> None:
        self.sensors = sensors
        self._policy = policy
        self._sealer = sealer
        self._reports: list[Report] = []

    def follow(self, mode: int, now_us: int) -> None:
        """Obey a mode from now on: what waits is framed under the old one."""
        self.flush(now_us)
        reports: dict[tuple[int, int, bool], Report] = {}
        for sensor in self.sensors:
            rule = self._policy.rule(mode, sensor.name)
            sensor.follow(rule, now_us)
            if rule.on:
                key = (rule.lane, rule.report_us, sensor.personal)
                report = reports.setdefault(key, Report(key, now_us))
                report.sensors.append(sensor)
        self._reports = [reports[key] for key in sorted(reports)]

    def run_due(self, now_us: int) -> int:
        """Read and report what is due; return when to call again."""
        next_us = now_us + IDLE_US
        for report in self._reports:
            is_full = False
            for sensor in report.sensors:
                if sensor.due_us <= now_us and sensor.poll(now_us):
                    self._send_at_once(sensor, report, now_us)
                    is_full = is_full or sensor.is_full()
                due_us = sensor.due_us
                if due_us < next_us:
                    next_us = due_us
            due_us = report.due_us
            if due_us <= now_us:
                missed = (now_us - due_us) // report.interval_us
                report.due_us = due_us = due_us + (missed + 1) * report.interval_us
                self._close(report, now_us, is_due=True)
            elif is_full:
                self._close(report, now_us, is_due=False)
            if due_us < next_us:
                next_us = due_us
        self._sealer.append_evictions(now_us)
        return next_us

    def poll_events(self, now_us: int) -> bool:
        """Read the sensors of events, due or not; return whether a change waits to have held."""
        is_settling = False
        for report in self._reports:
            for sensor in report.sensors:
                is_settling = sensor.poll_event(now_us) or is_settling
                self._send_at_once(sensor, report, now_us)
        return is_settling

    def flush(self, now_us: int) -> None:
        """Frame all readings that wait."""
        for report in self._reports:
            self._close(report, now_us, is_due=True)

    def self_test(self, now_us: int) -> "list[str]":
        """Exercise every sensor that is on; return the names of those that failed."""
        running = [sensor for report in self._reports for sensor in report.sensors]
        return [sensor.name for sensor in running if not sensor.self_test(now_us)]

    def statistics(self) -> "dict[str, Any]":
        """Return the counters of every sensor."""
        return {sensor.name: sensor.statistics() for sensor in self.sensors}

    def _send_at_once(self, sensor: "Sensor", report: Report, now_us: int) -> None:
        """Frame what must not wait for the report: alerts, events and gaps."""
        while sensor.alerts:
            alert = sensor.alerts.pop(0)
            self._sealer.append_batch(LANE_ALERT, [alert], report.personal)
        if sensor.is_event() and sensor.has_readings():
            self._sealer.append_batch(report.lane, sensor.take_series(), report.personal)
        self._append_gaps(sensor, now_us)

    def _close(self, report: Report, now_us: int, is_due: bool) -> None:
        series = []
        for sensor in report.sensors:
            sensor.report_loss(now_us)
            self._append_gaps(sensor, now_us)
            series.extend(sensor.take_series(ends_window=is_due))
        self._sealer.append_batch(report.lane, series, report.personal)

    def _append_gaps(self, sensor: "Sensor", now_us: int) -> None:
        while sensor.gaps:
            self._sealer.append_gap(now_us, sensor.gaps.pop(0))
