"""The hub's state as Prometheus metrics: the page's own snapshot, so that no more is public here.

Names have base units (seconds, bytes) and end in `_total` where they only grow. A row says where
in the snapshot (hub.console.source) a number stands; what is not there now has no sample.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from protocols.vocabulary import MODE_NAMES, UTC_QUALITY_NAMES

COUNTER, GAUGE = CounterMetricFamily, GaugeMetricFamily
Snapshot = dict[str, Any]


class Row(NamedTuple):
    """One metric. place: keys of the snapshot; scale: to the base unit."""

    name: str
    family: type[CounterMetricFamily] | type[GaugeMetricFamily]
    help: str
    place: str
    scale: float = 1


ROWS = (
    Row("hinomi_hub_boots", COUNTER, "Starts of this hub.", "hub.boot"),
    Row("hinomi_hub_uptime_seconds", GAUGE, "Time since the hub started.", "hub.uptime_s"),
    Row("hinomi_hub_utc_seconds", GAUGE, "UTC as the hub has it, since 1970.",
        "hub.utc_us", 1e-6),
    Row("hinomi_hub_clock_steps", COUNTER, "Times that UTC was set by 1 ms or more.",
        "hub.clock_steps"),
    Row("hinomi_hub_clock_jumps", COUNTER, "Times that UTC was set by 0.5 s or more.",
        "hub.clock_jumps"),
    Row("hinomi_mode_drill", GAUGE, "1 during a drill.", "mode.drill"),
    Row("hinomi_mode_since_seconds", GAUGE, "UTC since when the mode is what it is.",
        "mode.since_utc_us", 1e-6),
    Row("hinomi_mode_orders_sent", COUNTER, "Modes and policies sent to devices.",
        "mode.unconfirmed.sent"),
    Row("hinomi_mode_devices_away", GAUGE, "Devices that are away and lack a mode or policy.",
        "mode.unconfirmed.counts.away"),
    Row("hinomi_mode_devices_waiting", GAUGE, "Devices that have not yet confirmed one.",
        "mode.unconfirmed.counts.waiting"),
    Row("hinomi_mode_devices_refusing", GAUGE, "Devices that refused one.",
        "mode.unconfirmed.counts.refused"),
    Row("hinomi_ingest_connections", GAUGE, "Connections of devices.", "ingest.connections"),
    Row("hinomi_ingest_accepted_frames", COUNTER, "Frames taken from devices since the start.",
        "ingest.accepted"),
    Row("hinomi_ingest_duplicate_frames", COUNTER, "Frames that came again.",
        "ingest.duplicates"),
    Row("hinomi_ingest_frames_per_second", GAUGE, "Frames taken a second, over 10 s.",
        "ingest.frames_per_s"),
    Row("hinomi_ingest_readings_per_second", GAUGE, "Readings decoded a second, over 10 s.",
        "ingest.readings_per_s"),
    Row("hinomi_store_accepted_frames", COUNTER,
        "Frames ever stored, with the hub's own, over all starts.", "store.accepted"),
    Row("hinomi_store_bytes", GAUGE, "Bytes that the store uses.", "store.bytes"),
    Row("hinomi_store_limit_bytes", GAUGE, "Bytes that the store may use.", "store.size_max"),
    Row("hinomi_store_undelivered_bytes", GAUGE, "Bytes that an uplink still waits for.",
        "store.undelivered_bytes"),
    Row("hinomi_store_full_in_seconds", GAUGE, "Forecast: time until the store is full.",
        "store.hours_to_full", 3600),
    Row("hinomi_store_commits", COUNTER, "Commits since the start.", "store.commits"),
    Row("hinomi_store_failures", COUNTER, "Commits that failed since the start.",
        "store.failures"),
    Row("hinomi_store_evicted_frames", COUNTER,
        "Frames dropped for lack of space before every uplink had them.", "store.evicted"),
    Row("hinomi_store_thinned_frames", COUNTER, "Waveform frames replaced by a summary.",
        "store.thinned"),
    Row("hinomi_store_deleted_frames", COUNTER, "Delivered frames deleted for space.",
        "store.deleted"),
    Row("hinomi_store_damaged_frames", COUNTER, "Frames that could not be read again.",
        "store.damaged"),
    Row("hinomi_store_salvaged_frames", COUNTER, "Frames saved from a damaged store.",
        "store.salvaged"),
    Row("hinomi_store_own_dropped_records", COUNTER,
        "Records of the hub itself that had no room while the store could not write.",
        "store.own_dropped"),
    Row("hinomi_alert_durable", GAUGE, "0 while alerts are kept in memory alone.",
        "delivery.is_durable"),
    Row("hinomi_alert_events_waiting", GAUGE,
        "Open alerts with something to say that must wait for its turn.", "delivery.waiting"),
    Row("hinomi_alert_joined_findings", COUNTER, "Findings that made no message of their own.",
        "delivery.joined"),
    Row("hinomi_alert_unacknowledged_events", GAUGE,
        "Open alerts that somebody must acknowledge and nobody has.", "delivery.unacknowledged"),
    Row("hinomi_siren_commands", COUNTER, "Commands sent to sirens and lamps, with repeats.",
        "delivery.sirens.commands"),
    Row("hinomi_siren_confirmed", COUNTER, "Times that one has confirmed that it sounds.",
        "delivery.sirens.confirmed"),
    Row("hinomi_siren_refused_in_drill", COUNTER, "Times that a drill was kept from one.",
        "delivery.sirens.refused_in_drill"),
    Row("hinomi_siren_given_up", COUNTER, "Times that one has not confirmed in time.",
        "delivery.sirens.given_up"),
    Row("hinomi_siren_boards_away", GAUGE, "Boards of sirens and lamps that are not connected.",
        "delivery.sirens.away_count"),
    Row("hinomi_siren_unconfirmed", GAUGE, "Told to sound, not confirmed yet.",
        "delivery.sirens.unconfirmed"),
    Row("hinomi_devices_in_safe_mode", GAUGE, "Devices that run without their sensors.",
        "device_counts.safe_mode"),
    Row("hinomi_devices_shown", GAUGE, "Devices that have samples of their own here.",
        "device_counts.shown"),
    Row("hinomi_desk_sessions", GAUGE, "Operators' screens at the desk.", "console.desk.sessions"),
    Row("hinomi_desk_wrong_passwords", COUNTER, "Wrong passwords at the desk.",
        "console.desk.wrong"),
    Row("hinomi_desk_locked_tries", COUNTER, "Tries of names that were locked.",
        "console.desk.locked"),
    Row("hinomi_desk_forged_forms", COUNTER, "Forms that the desk's own page did not send.",
        "console.desk.forged"),
    Row("hinomi_update_stage", GAUGE, "Stage of the newest rollout, 1 to 3.", "update.stage"),
    Row("hinomi_update_stopped", GAUGE, "1 where it has stopped before its end.",
        "update.is_stopped"),
    Row("hinomi_update_frozen", GAUGE, "1 while the mode of operation holds it.",
        "update.is_frozen"),
    Row("hinomi_console_clients", GAUGE, "Screens on the page.", "console.clients"),
)  # fmt: skip

UPLINK_ROWS = (
    Row("hinomi_uplink_required", GAUGE, "1 where frames are kept until it has them.",
        "required"),
    Row("hinomi_uplink_state_seconds", GAUGE, "Time since the line came or went.",
        "since_age_ms", 1e-3),
    Row("hinomi_uplink_connects", COUNTER, "Times that the line came, since the start.",
        "connects"),
    Row("hinomi_uplink_delivered_frames", COUNTER, "Frames that it acknowledged.", "delivered"),
    Row("hinomi_uplink_evicted_frames", COUNTER, "Frames dropped before it had them.",
        "evicted"),
    Row("hinomi_uplink_dead_lettered_frames", COUNTER, "Frames that it would not take.",
        "dead_lettered"),
    Row("hinomi_uplink_unheard_frames", COUNTER,
        "Frames that its broker took while nobody listened to them.", "unheard"),
    Row("hinomi_uplink_live_frames", GAUGE, "Frames of now that wait for it.", "live"),
    Row("hinomi_uplink_backlog_frames", GAUGE, "Frames from before that wait for it.",
        "backlog"),
    Row("hinomi_uplink_in_flight_messages", GAUGE, "Sent and not yet acknowledged.",
        "in_flight"),
    Row("hinomi_uplink_drain_frames_per_second", GAUGE, "Frames acknowledged a second.",
        "drain_per_s"),
)  # fmt: skip

CHANNEL_ROWS = (
    Row("hinomi_alert_delivered_messages", COUNTER, "Alerts that it took, since the start.",
        "delivered"),
    Row("hinomi_alert_refused_messages", COUNTER, "Alerts that it will never take.", "refused"),
    Row("hinomi_alert_failures", COUNTER, "Tries that failed, since the start.", "failures"),
    Row("hinomi_alert_waiting_messages", GAUGE, "Alerts that it must still get.", "waiting"),
    Row("hinomi_alert_oldest_waiting_seconds", GAUGE, "Age of the oldest that it must still get.",
        "oldest_waiting_age_s"),
    Row("hinomi_alert_failing_seconds", GAUGE, "Time since it takes nothing; 0: it does.",
        "failing_age_s"),
    Row("hinomi_alert_last_success_seconds", GAUGE,
        "UTC when it last took one, since 1970; none since the start: no sample.",
        "delivered_utc_us", 1e-6),
)  # fmt: skip

# Of a device that concerns a person the snapshot has none of these.
DEVICE_ROWS = (
    Row("hinomi_device_last_frame_age_seconds", GAUGE, "Time since its last frame.",
        "last_frame_age_ms", 1e-3),
    Row("hinomi_device_received_frames", COUNTER, "Frames taken since the start.", "received"),
    Row("hinomi_device_boot", GAUGE, "Number of its boot.", "boot"),
    Row("hinomi_device_safe_mode", GAUGE, "1 while it runs without its sensors.", "safe_mode"),
    Row("hinomi_device_supply_weak", GAUGE, "1 where its supply cuts boots short.",
        "supply_weak"),
    Row("hinomi_device_on_trial", GAUGE, "1 while its firmware is on trial.", "on_trial"),
    Row("hinomi_device_clock_uncertainty_seconds", GAUGE, "How far off its clock may be known.",
        "clock_uncertainty_us", 1e-6),
)  # fmt: skip
DEVICE_STATES = ("online", "silent", "offline", "never")


class HubCollector(Collector):
    """Turns one snapshot, as the public may see it, into metrics."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        state = self._snapshot
        hub = {"hub": state["hub"]["id"], "version": state["hub"]["version"]}
        yield InfoMetricFamily("hinomi_hub", "Name and version of this hub.", hub)
        yield from _families(ROWS, [({}, state)])
        uplinks = [({"uplink": one["name"]}, one) for one in state["uplinks"]]
        yield from _families(UPLINK_ROWS, uplinks)
        channels = [({"channel": one["name"]}, one) for one in state["delivery"]["channels"]]
        yield from _families(CHANNEL_ROWS, channels)
        devices = [({"device": one["device"]}, one) for one in state["devices"]]
        yield from _families(DEVICE_ROWS, devices)
        yield from self._states()
        yield from self._ups(uplinks)
        yield from self._refusals()
        yield from self._commits()

    def _states(self) -> Iterator[Metric]:
        hub, mode = self._snapshot["hub"], self._snapshot["mode"]["mode"]
        yield _one_of("hinomi_mode", "The mode: 1 for the one it is.", mode, MODE_NAMES)
        quality = hub["utc_quality"]
        text = "How good the hub's UTC is: 1 for the one it is."
        yield _one_of("hinomi_hub_utc_quality", text, quality, UTC_QUALITY_NAMES)
        family = GAUGE("hinomi_devices", "Enrolled devices by state.", labels=["state"])
        for state in DEVICE_STATES:
            family.add_metric([state], self._snapshot["device_counts"][state])
        yield family
        update = self._snapshot.get("update")
        family = GAUGE("hinomi_update_devices", "Devices of the newest rollout by state.",
                       labels=["state"])  # fmt: skip
        for state, count in (update["counts"] if update else {}).items():
            family.add_metric([state], count)
        yield family

    def _ups(self, uplinks: list[tuple[dict[str, str], Any]]) -> Iterator[Metric]:
        family = GAUGE("hinomi_uplink_up", "1 while the line works.", labels=["uplink"])
        for labels, one in uplinks:
            family.add_metric(list(labels.values()), one["state"] == "up")
        yield family

    def _refusals(self) -> Iterator[Metric]:
        family = COUNTER("hinomi_ingest_refusals", "Refused, by reason.", labels=["reason"])
        for reason, count in sorted(self._snapshot["ingest"]["refused"].items()):
            family.add_metric([reason], count)
        yield family
        failed = GAUGE("hinomi_store_failed", "1 while the store cannot write.")
        failed.add_metric([], bool(self._snapshot["store"].get("failure")))
        yield failed

    def _commits(self) -> Iterator[Metric]:
        commit = self._snapshot["store"].get("commit")
        if commit is not None:
            buckets = [(repr(bound / 1e6), count) for bound, count in commit["at_most_us"]]
            text = "Time of a commit, from the hand-over to the writer until it is on disk."
            family = HistogramMetricFamily("hinomi_store_commit_seconds", text)
            all_buckets = [*buckets, ("+Inf", commit["count"])]
            family.add_metric([], all_buckets, commit["sum_us"] / 1e6)
            yield family


def exposed(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """Return body and media type of the answer to a scrape. accept: its header."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HubCollector(snapshot))
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


def _families(
    rows: Iterable[Row], things: list[tuple[dict[str, str], Any]]
) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
    for row in rows:
        labels = list(things[0][0]) if things else []
        family = row.family(row.name, row.help, labels=labels)
        for names, one in things:
            value = _at(one, row.place)
            if value is not None:
                family.add_metric(list(names.values()), value * row.scale)
        yield family


def _at(thing: Any, place: str) -> float | None:
    for key in place.split("."):
        thing = thing.get(key) if isinstance(thing, dict) else None
    return None if thing is None else float(thing)


def _one_of(name: str, text: str, value: str, choices: Iterable[str]) -> GaugeMetricFamily:
    family = GAUGE(name, text, labels=["state"])
    for choice in choices:
        family.add_metric([choice], value == choice)
    return family
