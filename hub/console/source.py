"""What the page asks of the hub: one small port, so that page and hub can be tested apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

# JSON-able; its shape is the docstring of `Source.snapshot`.
Snapshot = dict[str, Any]

# (utc_us, min, max) of the readings that fell into one stretch of time.
Point = Sequence[float]


class Warnings(Protocol):
    """What of the hub's alerts everybody may have (hub.alerts)."""

    def feed(self) -> bytes:
        """Return the newest messages as an Atom feed."""

    def document(self, identifier: str) -> bytes | None:
        """Return one of its messages as a CAP document; None where there is none."""


class Source(Protocol):
    """Where the page's data comes from. All three are called in the hub's event loop.

    They must return within a few milliseconds, from memory, and never wait: each call
    stands between two frames of a device.

    What they return is public, but for two things that the page keeps back by itself: of a
    device with `personal` true it passes on names and state only, and it refuses its channels.
    So a home's `name_*` and the alerts' texts must not tell who lives there, and its state is
    never "silent": that would tell when somebody last moved.
    """

    def snapshot(self) -> Snapshot:
        """Return the hub's present state. Called once a second however many people look.

        Ages are in ms on a monotonic clock, at the moment of the call; None where nothing
        ever came. `utc_us` are the hub's own idea of UTC, microseconds since 1970.

            {"hub": {"id", "version", "boot", "uptime_s", "utc_us",
                     "utc_quality": "implausible" | "unsynchronised" | "synchronised",
                     "clock_steps": count, "clock_jumps": count of those of 0.5 s or more},
             "mode": {"mode": "normal" | "watch" | "disaster", "drill": bool,
                      "since_utc_us", "reason", "actor", "reason_ja", "reason_en", "actor_ja",
                      "actor_en", "unconfirmed": {"counts": {"refused", "waiting", "away"},
                                  "rows": [{"device", "what", "why", "detail"}], "sent"}},
             "devices": [{"device", "kind": "bridge" | "river" | "slope" | "home" | other,
                          "name_ja", "name_en",
                          "state": "online" | "silent" | "offline" | "never",
                          "boot", "last_frame_age_ms", "firmware", "clock_uncertainty_us",
                          "slot": "A" | "B" | "", "on_trial": bool, "reset_cause", "crash",
                          "safe_mode": bool, "supply_weak": bool,
                          "readings": [{"channel", "unit", "value": float, "age_ms",
                                        "current": bool}],
                          "received": count, "personal": bool}],
             "device_counts": {each state, "safe_mode", "shown": count} or missing: of all devices,
                          where "devices" has only the first so many that want a look,
             "update": {"version", "stage": 1..3, "stopped": why or "", "is_over", "is_frozen",
                        "counts": {state: count}, "devices": ..} or None or missing,
             "uplinks": [{"name", "state": "up" | "down", "since_age_ms", "live": count,
                          "backlog": count, "delivered": count, "stored": count,
                          "drain_per_s": float, "evicted": count or missing,
                          "last_error": str | None}],
             "ingest": {"connections", "frames_per_s", "readings_per_s", "accepted",
                        "duplicates", "refused": {reason: count}},
             "store": {"bytes", "size_max", "frames", "failure": str, "" or missing if it writes,
                       "hours_to_full": float, None or missing while it does not fill},
             "reports": [{"name", "bridge", "name_ja", "name_en", "utc_us", "drill": bool,
                          "grade": 0..2}] or missing: inspection reports, the newest first,
             "alerts": [{"id", "utc_us", "level": "info" | "watch" | "warning" | "emergency",
                         "kind", "text_ja", "text_en", "drill": bool}]}

        Of an uplink, `stored` frames are not delivered yet: `live` ones and a `backlog`.
        A reading is `current` while it is younger than its channel's due time.
        Alerts may come in any order; the page shows the newest first.
        """
        ...

    def channels(self) -> Sequence[tuple[str, str, str]]:
        """Return (device, channel, unit) of every channel that has a history."""
        ...

    def history(self, device: str, channel: str, since_utc_us: int) -> Sequence[Point]:
        """Return [utc_us, min, max] of the channel from then on, oldest first, at most 1200.

        Where more readings than that fall into the time, each point covers a stretch of it.
        An unknown channel has an empty history.
        """
        ...
