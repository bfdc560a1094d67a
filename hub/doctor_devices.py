"""Checks of what the running hub knows of its devices: safe mode, and a rollout that stopped."""

from collections.abc import Iterator
from typing import Any

from hub.diagnosis import OK, WARN, Finding

NAMED_MAX = 5


def check_devices(status: dict[str, Any] | None) -> Iterator[Finding]:
    """No device runs without its sensors, no update has stopped. status: None: no hub runs."""
    if status is None:
        return
    counts = status["device_counts"]
    if counts["safe_mode"]:
        yield _safe_mode(status["devices"], counts["safe_mode"])
    else:
        yield Finding("devices", OK, ("セーフモードの端末はありません", "none is in safe mode"))
    update = status["update"]
    if update is not None and update["stopped"]:
        yield _stopped(update)


def _safe_mode(devices: list[dict[str, Any]], count: int) -> Finding:
    # Of a device that concerns a person the page does not tell.
    named = [one["device"] for one in devices if one.get("safe_mode")][:NAMED_MAX]
    names = ", ".join(named + ["…"] * (count > len(named)))
    return Finding(
        "devices",
        WARN,
        (
            f"{count} 台がセーフモードです（センサー停止中）: {names}",
            f"{count} in safe mode, their sensors are off: {names}",
        ),
        (
            "hinomi hub device show 端末名 で前回の異常を見て、直してから hinomi hub device"
            " restart 端末名。",
            "See the last crash by `hinomi hub device show NAME`, mend it, then `hinomi hub device"
            " restart NAME`.",
        ),
    )


def _stopped(update: dict[str, Any]) -> Finding:
    counts = update["counts"]
    done = f"{counts['healthy']}/{sum(counts.values())}"
    return Finding(
        "update",
        WARN,
        (
            f"更新 {update['version']} は {done} 台で止まりました: {update['stopped']}",
            f"the update to {update['version']} stopped at {done} devices: {update['stopped']}",
        ),
        (
            "hinomi hub update status で端末を調べ、原因を直した版で始め直してください。",
            "See `hinomi hub update status`, and start again with a release that is mended.",
        ),
    )
