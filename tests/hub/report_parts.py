"""A bridge after a quake, in a real store: three nodes, one damaged, one that fell silent."""

import asyncio
import math
from pathlib import Path
from typing import Any

import numpy as np

from hub.rules.bridge import BridgeRule
from hub.store import Store
from protocols.batch import Series, encode_batch
from protocols.cose import Mac0
from protocols.vocabulary import LANE_STATE, LANE_WAVE
from tests.hub.bridge_parts import ROW, S, series, trembling

EVENT_US = 1_000 * S
OFFSET_US = 50 * S  # the hub's clock minus every boot's
BEFORE_S, SHAKING_S, AFTER_S = 200, 30, 200
RATE_HZ = 50
REPORT_S = 5
ROWS = [
    {**ROW, "device": "bridge-1", "bridge": "ohashi", "name_ja": "大橋", "name_en": "Ohashi",
     "place_ja": "支間1/4", "place_en": "quarter point"},
    {**ROW, "device": "bridge-2", "bridge": "ohashi", "name_ja": "大橋", "name_en": "Ohashi",
     "place_ja": "支間中央", "place_en": "mid-span"},
    {**ROW, "device": "bridge-3", "bridge": "ohashi", "name_ja": "大橋", "name_en": "Ohashi",
     "place_ja": "A2橋台", "place_en": "abutment A2"},
]  # fmt: skip


def learned_rule() -> BridgeRule:
    """Return the rule with lines that say: 2.4 Hz at 15 degrees, and 0.48 mm a kelvin."""
    rule = BridgeRule(ROWS)
    for at in range(200):
        celsius = 10 + 10 * (at % 20) / 20
        for node in rule.nodes.values():
            node.frequency.line.put(celsius, 2.4 - 0.0048 * (celsius - 15))
            node.place.line.put(celsius, 0.00048 * (celsius - 15))
    for node in rule.nodes.values():
        node.references = [2.4] * 6
        node.boot, node.offset_us, node.heard_us = 1, OFFSET_US, EVENT_US
        node.temperature = (EVENT_US, 15.0)
    return rule


def record(position: int, *, share: float, moved_m: float) -> dict[str, Any]:
    """Return channel -> values of one node, from before to after."""
    dice = np.random.default_rng(40 + position)
    before = trembling(2.4, BEFORE_S, dice, rate_hz=RATE_HZ)
    after = trembling(2.4 * share, SHAKING_S + AFTER_S, dice, rate_hz=RATE_HZ)
    times_s = np.arange(SHAKING_S * RATE_HZ) / RATE_HZ
    envelope = np.exp(-(((times_s - 10) / 7) ** 2))
    shaking = 1.8 * envelope * np.sin(2 * math.pi * 1.9 * times_s)
    shaking += 0.9 * envelope * np.sin(2 * math.pi * 4.3 * times_s + 1)
    after[: len(shaking)] += shaking
    wave = np.concatenate([before, after])
    count = (BEFORE_S + SHAKING_S + AFTER_S) * 8
    place = 0.0002 * dice.standard_normal(count)
    place[(BEFORE_S + 10) * 8 :] += moved_m
    strain = 1e-6 * dice.standard_normal(count)
    return {"acc.z": wave + 9.80665, "acc.x": 0.6 * wave, "acc.y": 0.5 * wave,
            "displacement": place, "strain": strain}  # fmt: skip


async def filled(folder: Path, *, silent_after_s: float = 20.0) -> Path:
    """Write what the three nodes measured into a store; return the file's path."""
    store = Store(folder, 1 << 30)
    write_all(store, silent_after_s=silent_after_s)
    await store.wait_idle()
    await store.close()
    return store.path


def write_all(store: Store, *, silent_after_s: float = 20.0) -> None:
    """Put what the three nodes measured into an open store."""
    damage = ((1.0, 0.0), (0.94, 0.014), (1.0, 0.0))
    for position, (share, moved_m) in enumerate(damage):
        device = ROWS[position]["device"]
        last_s = silent_after_s if position == 2 else math.inf
        found = record(position, share=share, moved_m=moved_m)
        _write(store, device, found, last_s)


def _write(store: Store, device: str, found: dict[str, Any], last_s: float) -> None:
    mac, index = Mac0(device, bytes(32)), 0
    start_us = EVENT_US - OFFSET_US - BEFORE_S * S
    for at in range(0, BEFORE_S + SHAKING_S + AFTER_S, REPORT_S):
        if at - BEFORE_S > last_s:
            break
        for lane, names, rate_hz in (
            (LANE_WAVE, ("acc.x", "acc.y", "acc.z"), RATE_HZ),
            (LANE_STATE, ("displacement", "strain"), 8),
        ):
            us = start_us + at * S
            parts: list[Series] = [
                series(name, "m/s2" if rate_hz > 8 else "m",
                       found[name][at * rate_hz : (at + REPORT_S) * rate_hz], us,
                       spacing_ns=1_000_000_000 // rate_hz)
                for name in names
            ]  # fmt: skip
            frame = mac.seal(encode_batch((1, index, lane, us), parts))
            store.append(device, (1, index, lane), frame)
            index += 1


def request(store: Path, folder: Path, *, drill: bool = False, until_s: float = 200.0) -> Any:
    """Return what the hub asks a worker for."""
    rule = learned_rule()
    now_us = EVENT_US + round(until_s * S)
    return {
        "hub": "hub-1", "bridge": "ohashi", "drill": drill, "store": str(store),
        "folder": str(folder), "cause_ja": "地震の揺れを観測: 最大 1.80 m/s²(3 地点)",
        "cause_en": "Ground shaking: peak 1.80 m/s² at 3 nodes", "event_us": EVENT_US,
        "event_utc_us": 1_795_000_000 * S, "made_utc_us": 1_795_000_200 * S, "until_s": until_s,
        "utc_offset_min": 540,
        "nodes": {row["device"]: rule.facts(row["device"], now_us) for row in ROWS},
    }  # fmt: skip


def fill(folder: Path) -> Path:
    """Do the same without a running loop."""
    return asyncio.run(filled(folder))
