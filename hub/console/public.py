"""What of the hub's snapshot the public may see, and as which JSON.

The page needs no login, so whatever leaves here is public. This is the only way out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from hub.actors import actor_texts
from hub.console.limits import ALERTS_MAX
from hub.console.source import Snapshot

# All that leaves of a device which concerns a person. Not even the age of its last frame:
# a motion sensor speaks when somebody moves, so the age would tell who is at home.
PERSONAL_FIELDS = ("device", "kind", "name_ja", "name_en", "state", "personal")


def public_snapshot(snapshot: Snapshot) -> Snapshot:
    """Return a copy of the snapshot without what concerns a person, and with finite numbers."""
    public = dict(snapshot)
    public["mode"] = public_mode(snapshot["mode"])
    public["devices"] = [public_device(device) for device in snapshot["devices"]]
    newest = sorted(snapshot["alerts"], key=lambda alert: alert["utc_us"], reverse=True)
    public["alerts"] = newest[:ALERTS_MAX]
    return public


def public_mode(mode: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mode without the name of the person who set it: that stands in the audit log."""
    word = str(mode.get("actor", "")).partition(":")[0]
    if word != "person":
        return dict(mode)
    ja, en = actor_texts(word)
    return {**mode, "actor": word, "actor_ja": ja, "actor_en": en}


def public_device(device: Mapping[str, Any]) -> dict[str, Any]:
    """Return the device as the public may see it.

    A device that does not say whether it is personal is taken as personal.
    """
    if device.get("personal", True):
        shown = {field: device[field] for field in PERSONAL_FIELDS if field in device}
        return {**shown, "personal": True, "readings": []}
    return {**device, "readings": [public_reading(reading) for reading in device["readings"]]}


def public_reading(reading: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reading with its value shortened; without a value it is not current."""
    value = short(reading["value"])
    return {**reading, "value": value, "current": bool(reading["current"]) and value is not None}


def short(value: float | None) -> float | None:
    """Return the value with six digits, which is more than a person reads; None if not finite.

    JSON has no NaN and no infinity: one such value would make the whole page unreadable.
    """
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")


def encode(document: Mapping[str, Any]) -> bytes:
    """Return the document as compact UTF-8 JSON without line breaks; ValueError on NaN."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()
