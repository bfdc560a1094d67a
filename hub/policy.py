"""What the hub wants of the sensors of each kind of device, by mode: rows of [[policy]].

A policy's version is the start of the SHA-256 of what is sent, so that whoever holds the same rows
holds the same version, whatever was in force in between. Without rows it is 0: the devices go by
their own configuration.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from hub.rules.problem import Problem
from hub.settings import Row
from protocols import cbor
from protocols.errors import LocalProtocolError
from protocols.limits import POLICY_ROWS_MAX, POLICY_SIZE_MAX
from protocols.vocabulary import LANE_NAMES, MODE_NAMES, POLICY_FIELDS

DEVICE_KINDS = ("bridge", "river", "slope", "home", "other")
KEEP = "keep"
YES_NO = (KEEP, "yes", "no")
ROWS = (
    Row("policy", "mode", None, "", "Mode of operation.", choices=MODE_NAMES),
    Row("policy", "kind", None, "", "Kind of device.", choices=DEVICE_KINDS),
    Row("policy", "sensor", None, "", "Name of a sensor, or of a driver.", 1, 32),
    Row("policy", "on", KEEP, "", "It is sampled; keep: as the device's own row says.",
        choices=YES_NO),
    Row("policy", "waveform", KEEP, "", "Its samples are sent.", choices=YES_NO),
    Row("policy", "features", KEEP, "", "What each report's window comes to is sent.",
        choices=YES_NO),
    Row("policy", "lane", KEEP, "", "How urgent its batches are.", choices=(KEEP, *LANE_NAMES)),
    Row("policy", "report_ms", 0, "ms", "Longest time that a reading waits; 0: keep.",
        0, 86_400_000),
    Row("policy", "every_ms", 0, "ms", "Spacing of the readings, for sensors that are read; "
        "0: keep.", 0, 86_400_000),
    Row("policy", "rate_mhz", 0, "mHz", "Rate, for sensors that sample by themselves; 0: keep.",
        0, 4_000_000),
    Row("policy", "window_ms", -1, "ms", "Window of a level; -1: keep.", -1, 60_000),
    Row("policy", "trigger_raw", -1, "", "Peak that is an alert, raw units of the sensor; "
        "0: none; -1: keep.", -1, 2147483647),
)  # fmt: skip
LISTS = ("policy",)
_KEPT = {"report_ms": 0, "every_ms": 0, "rate_mhz": 0, "window_ms": -1, "trigger_raw": -1}

Order = list[Any]  # the arguments of the command: version, rows


def orders(rows: list[dict[str, Any]]) -> dict[str, Order]:
    """Return kind of device -> the arguments of its command policy."""
    return {kind: _order([row for row in rows if row["kind"] == kind]) for kind in DEVICE_KINDS}


def _order(rows: list[dict[str, Any]]) -> Order:
    wire = [[MODE_NAMES.index(row["mode"]), row["sensor"], _fields(row)] for row in rows]
    if not wire:
        return [0, []]
    digest = sha256(cbor.encode(wire, 1 << 16)).digest()
    return [int.from_bytes(digest[:4], "big") or 1, wire]


def _fields(row: dict[str, Any]) -> list[list[Any]]:
    """Return [number, value] of what the row does not keep."""
    fields: list[list[Any]] = []
    for number, name in enumerate(POLICY_FIELDS):
        value = row[name]
        if value == _KEPT.get(name, KEEP):
            continue
        if name == "lane":
            value = LANE_NAMES.index(value)
        elif name not in _KEPT:
            value = value == "yes"
        fields.append([number, value])
    return fields


def problems(tables: dict[str, Any]) -> Iterator[Problem]:
    """Say what is wrong with [[policy]]."""
    rows = tables["policy"]
    seen: set[tuple[str, str, str]] = set()
    for at, row in enumerate(rows):
        key = (row["mode"], row["kind"], row["sensor"])
        if key in seen:
            yield Problem("policy", "sensor", "has two rows of one mode", "Join them.", at)
        seen.add(key)
        if not _fields(row):
            yield Problem("policy", "sensor", "keeps everything", "Set something, or remove it.",
                          at)  # fmt: skip
    for kind, order in orders(rows).items():
        count = len(order[1])
        if count > POLICY_ROWS_MAX or not _fits(order):
            at = max(at for at, row in enumerate(rows) if row["kind"] == kind)
            why = f"is row {count} for {kind}: more than a board keeps"
            yield Problem("policy", "kind", why, "Say more by driver, less by sensor.", at)


def _fits(order: Order) -> bool:
    try:
        cbor.encode(order, POLICY_SIZE_MAX)
    except LocalProtocolError:
        return False
    return True
