"""A town's hub as the page sees it, made up: twelve devices whose readings move.

    python -m tests.hub.moving_source PORT [MODE]

serves the page with it, until a signal; MODE is one of MODES.
"""

from __future__ import annotations

import asyncio
import math
import signal
import sys
import time
from typing import Any

from hub.console.server import serve

MODES = ("normal", "watch", "disaster", "drill")
CHANNELS = {
    "bridge": (
        *(("acc.x", "m/s2"), ("acc.y", "m/s2"), ("acc.z", "m/s2")),
        *(("strain", "1"), ("displacement", "m"), ("temperature", "Cel")),
    ),
    "river": (("level", "m"),),
    "slope": (("tilt.x", "deg"), ("tilt.y", "deg"), ("moisture", "1")),
    "home": (("motion", "1"), ("door", "1")),
}
MIDDLE = {"acc.z": 9.80665, "level": 1.84, "temperature": 18.4, "moisture": 0.31, "strain": 42e-6}
SWING = {"strain": 3e-6, "displacement": 8e-4, "moisture": 0.002, "temperature": 0.05}
BRIDGE_NODES_COUNT = 8


class MovingSource:
    """Implements `hub.console.source.Source`; attributes that a test sets change what it shows.

    started_utc_us: since when there are readings. silent: devices that have stopped sending.
    """

    def __init__(self, mode: str = "normal") -> None:
        self.mode = mode
        self.silent: set[str] = set()
        self.refused: dict[str, int] = {"unknown_device": 3, "wrong_key": 1}
        self.snapshots_count = 0
        self.fails = False
        self.utc_quality = "unsynchronised" if mode == "drill" else "synchronised"
        self.started_utc_us = utc_us() - 900_000_000

    def snapshot(self) -> dict[str, Any]:
        """As the port says."""
        self.snapshots_count += 1
        if self.fails:
            raise RuntimeError("the made-up hub was told to fail")
        cut = self.mode in ("disaster", "drill")
        return {
            "hub": {
                "id": "hub-1",
                "version": "0.1.0",
                "boot": 3,
                "uptime_s": 4211,
                "utc_us": utc_us(),
                "utc_quality": self.utc_quality,
                "clock_steps": 0,
                "clock_jumps": 0,
            },
            "mode": {
                "mode": "disaster" if cut else self.mode,
                "drill": self.mode == "drill",
                "since_utc_us": self.started_utc_us + 600_000_000,
                "reason": "震度 5 弱相当の揺れ" if cut else "",
                "actor": "rule:quake" if cut else "",
                "reason_ja": "震度 5 弱相当の揺れ" if cut else "",
                "reason_en": "shaking of about 5-" if cut else "",
                "actor_ja": "自動判定 (地震の揺れ)" if cut else "",
                "actor_en": "rule (Ground shaking)" if cut else "",
                "unconfirmed": {
                    "counts": {"refused": 1, "waiting": 0, "away": 2} if cut else {},
                    "rows": [
                        {"device": "river-2", "what": "policy", "why": "refused", "detail": "no"}
                    ]
                    if cut
                    else [],
                    "sent": 12,
                },
            },
            "devices": [self._device(name, kind) for name, kind in self._devices()],
            "device_counts": self._device_counts(),
            "update": _update(cut),
            "uplinks": [self._uplink(cut)],
            "ingest": {
                "connections": 12,
                "frames_per_s": 38.2,
                "readings_per_s": 2811.4,
                "accepted": 160_311,
                "duplicates": 12,
                "refused": dict(self.refused),
            },
            "store": {
                "bytes": 84_300_000,
                "size_max": 2_000_000_000,
                "frames": 160_311,
                "hours_to_full": 31.4 if cut else None,
            },
            "alerts": self._alerts() if self.mode != "normal" else [],
        }

    def channels(self) -> list[tuple[str, str, str]]:
        """As the port says."""
        return [
            (name, channel, unit)
            for name, kind in self._devices()
            for channel, unit in CHANNELS[kind]
        ]

    def history(
        self, device: str, channel: str, since_utc_us: int
    ) -> list[tuple[int, float, float]]:
        """As the port says: a reading of rivers each 10 s, else at most 1000 stretches."""
        begin_us = max(since_utc_us, self.started_utc_us)
        wave_us = max(200_000, (utc_us() - begin_us) // 1000)
        step_us = 10_000_000 if channel == "level" else wave_us
        first = -(-begin_us // step_us)
        last = utc_us() // step_us
        points = []
        for index in range(max(first, last - 1199), last + 1):
            middle = value_at(channel, index * step_us)
            spread = 0.0 if channel == "level" else abs(SWING.get(channel, 0.02))
            points.append((index * step_us, middle - spread, middle + spread))
        return points

    def _devices(self) -> list[tuple[str, str]]:
        nodes = [(f"bridge-{index}", "bridge") for index in range(1, BRIDGE_NODES_COUNT + 1)]
        rest = [("river-1", "river"), ("river-2", "river"), ("slope-1", "slope")]
        return [*nodes, *rest, ("home-1", "home")]

    def _device(self, name: str, kind: str) -> dict[str, Any]:
        is_silent = name in self.silent
        names = {"bridge": "朝日橋", "river": "千曲川", "slope": "裏山", "home": "見守り"}
        number = name.rpartition("-")[2]
        age_ms = 95_000 if is_silent else 340
        return {
            "device": name,
            "kind": kind,
            "name_ja": f"{names[kind]} {number} 番",
            "name_en": f"{kind.capitalize()} No. {number}",
            "state": "silent" if is_silent else "online",
            "boot": 2,
            "last_frame_age_ms": age_ms,
            "firmware": "0.1.0",
            "slot": "A",
            "on_trial": False,
            "reset_cause": "watchdog" if name == "river-2" else "power_on",
            "safe_mode": name == "river-2",
            "supply_weak": False,
            "crash": "boot 41: sampler: in poll | OSError: 110" if name == "river-2" else "",
            "clock_uncertainty_us": 1_800,
            "readings": [
                {
                    "channel": channel,
                    "unit": unit,
                    "value": value_at(channel, utc_us()),
                    "age_ms": age_ms,
                    "current": not is_silent,
                }
                for channel, unit in CHANNELS[kind]
            ],
            "received": 12_840,
            "personal": kind == "home",
        }

    def _device_counts(self) -> dict[str, int]:
        silent = len(self.silent)
        return {
            "online": 12 - silent, "silent": silent, "offline": 0, "never": 0,
            "safe_mode": 1, "shown": 12,
        }  # fmt: skip

    def _uplink(self, cut: bool) -> dict[str, Any]:
        return {
            "name": "platform",
            "state": "down" if cut else "up",
            "since_age_ms": 312_000,
            "live": 0 if cut else 38,
            "backlog": 11_862 if cut else 0,
            "delivered": 148_449,
            "stored": 11_862 if cut else 0,
            "drain_per_s": 0.0,
            "last_error": "no answer for 20 s" if cut else None,
        }

    def _alerts(self) -> list[dict[str, Any]]:
        drill = self.mode == "drill"
        rows = [
            (
                600,
                "emergency",
                "朝日橋で震度 5 弱相当の揺れを検知しました。",
                "Strong shaking at the bridge.",
            ),
            (
                700,
                "warning",
                "千曲川の水位が氾濫注意水位を超えました。",
                "River level above the caution mark.",
            ),
            (710, "watch", "外部との回線が切れました。", "The line to the outside is cut."),
            (40, "info", "ハブを起動しました。", "The hub has started."),
        ]
        return [
            {
                "id": f"a{at_s}",
                "utc_us": self.started_utc_us + at_s * 1_000_000,
                "level": level,
                "kind": "made-up",
                "text_ja": text_ja,
                "text_en": text_en,
                "drill": drill,
            }
            for at_s, level, text_ja, text_en in rows
        ]


def utc_us() -> int:
    """Return this machine's UTC in microseconds."""
    return time.time_ns() // 1000


def _update(is_frozen: bool) -> dict[str, Any]:
    return {
        "version": "0.2.0",
        "stage": 2,
        "stopped": "river-1: went back to hinomi-agent 0.1.0",
        "is_stopped": True,
        "is_over": True,
        "is_frozen": is_frozen,
        "counts": {"healthy": 1, "failed": 1, "waiting": 9},
    }


def value_at(channel: str, at_us: int) -> float:
    """Return the channel's value at that time: a slow swing around its middle."""
    seconds = at_us / 1e6
    swing = SWING.get(channel, 0.03)
    wave = math.sin(seconds / 7 + len(channel)) + 0.4 * math.sin(seconds / 1.3)
    return MIDDLE.get(channel, 0.0) + swing * wave


async def _main(port: int, mode: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    source = MovingSource(mode)
    source.silent = set() if mode == "normal" else {"bridge-7"}
    await serve(source, "127.0.0.1", port, stop)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), *sys.argv[2:] or ["normal"]))
