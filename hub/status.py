"""The state of a hub as tables on a terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table

MODE_STYLES = {"normal": "green", "watch": "yellow", "disaster": "bold red"}
CLOCK_STYLES = {"synchronised": "green", "unsynchronised": "yellow", "implausible": "bold red"}

DEVICE_STYLES = {"online": "green", "silent": "yellow", "offline": "red", "never": "dim"}


def render(state: dict[str, Any], console: Console | None = None) -> None:
    """Print mode, devices, uplinks and refusals. state: the page's snapshot."""
    out = console or Console()
    hub, mode, store = state["hub"], state["mode"], state["store"]
    out.print(f"{hub['id']} {hub['version']}, boot {hub['boot']}, up {hub['uptime_s']} s")
    style = CLOCK_STYLES[hub["utc_quality"]]
    out.print(f"clock [{style}]{hub['utc_quality']}[/], set {hub['clock_jumps']} times")
    style = MODE_STYLES[mode["mode"]]
    drill = " DRILL" if mode["drill"] else ""
    out.print(f"mode [{style}]{mode['mode']}{drill}[/] {mode['actor']} {mode['reason']}")
    late = mode["unconfirmed"]["counts"]
    if late["refused"] or late["waiting"]:
        words = f"{late['refused']} refuse, {late['waiting']} have not answered"
        out.print(f"[bold yellow]devices not in this mode or policy: {words}[/]")
    for one in state.get("warnings", []):
        unseen = ", nobody has acknowledged it" if one["needs_acknowledgement"] else ""
        drill = " DRILL" if one["drill"] else ""
        words = f"{one['id']}{drill} {one['level']}: {one['event_en']}: {one['text_en']}"
        out.print(f"alert {words}{unseen}", style="bold red", markup=False)
    for words in delivery_words(state["delivery"]):
        out.print(words, style="bold red", markup=False)
    out.print(devices_table(state["devices"]))
    total = sum(state["device_counts"][word] for word in DEVICE_STYLES)
    if total > len(state["devices"]):
        words = ", ".join(f"{word} {state['device_counts'][word]}" for word in DEVICE_STYLES)
        out.print(f"{len(state['devices'])} of {total} devices; {words}")
    if state["update"] and not (state["update"]["is_over"] and not state["update"]["stopped"]):
        out.print(update_words(state["update"]), markup=False)
    out.print(uplinks_table(state["uplinks"]))
    ingest = state["ingest"]
    used = f"{store['bytes'] >> 20} of {store['size_max'] >> 20} MiB"
    hours = store.get("hours_to_full")
    if hours is not None:
        used += f", full in {hours:.1f} h"
    out.print(f"accepted {ingest['accepted']}, sent twice {ingest['duplicates']}, store {used}")
    if store.get("failure"):
        out.print(f"[bold red]the store cannot write: {store['failure']}[/]")
    refused = ", ".join(f"{reason} {count}" for reason, count in sorted(ingest["refused"].items()))
    out.print(f"refused: {refused or 'none'}")


def devices_table(devices: list[dict[str, Any]]) -> Table:
    """Return the devices as a table."""
    table = Table("device", "kind", "state", "boot", "last frame", "frames", "newest readings")
    for one in devices:
        safe = " [bold red]SAFE MODE[/]" if one.get("safe_mode") else ""
        age_ms = one.get("last_frame_age_ms")  # of a personal device there is none
        readings = "personal" if one["personal"] else ", ".join(
            f"{row['channel']} {row['value']:.4g} {row['unit']}" for row in one["readings"][:3]
        )  # fmt: skip
        table.add_row(
            one["device"],
            one["kind"],
            f"[{DEVICE_STYLES[one['state']]}]{one['state']}[/]{safe}",
            str(one.get("boot") or "-"),
            "-" if age_ms is None else f"{age_ms / 1000:.1f} s ago",
            str(one.get("received", "-")),
            readings,
        )
    return table


def delivery_words(delivery: dict[str, Any]) -> list[str]:
    """Return what keeps alerts from people now."""
    words = [
        f"alerts: {one['name']} takes nothing for {one['failing_age_s']} s, {one['waiting']} wait"
        for one in delivery["channels"]
        if one["state"] == "down"
    ]
    if delivery["sirens"]["away"]:
        words.append(f"sirens: not connected: {', '.join(delivery['sirens']['away'])}")
    if not delivery["is_durable"]:
        words.append("alerts are in memory alone: a restart loses them")
    return words


def update_words(update: dict[str, Any]) -> str:
    """Return how far a rollout is, or why it has stopped."""
    counts = update["counts"]
    done = f"update {update['version']}: {counts['healthy']} of {sum(counts.values())}"
    if update["stopped"]:
        return f"{done}, STOPPED: {update['stopped']}"
    frozen = ", frozen by the mode" if update["is_frozen"] else ""
    return f"{done}, stage {update['stage']} of 3{frozen}"


def uplinks_table(uplinks: list[dict[str, Any]]) -> Table:
    """Return the uplinks as a table."""
    table = Table("uplink", "state", "delivered", "waiting", "backlog", "dead", "last error")
    for one in uplinks:
        style = "green" if one["state"] == "up" else "red"
        table.add_row(
            one["name"],
            f"[{style}]{one['state']}[/] {one['since_age_ms'] / 1000:.0f} s",
            str(one["delivered"]),
            str(one["live"]),
            str(one["backlog"]),
            str(one["dead_lettered"]),
            one["last_error"] or "",
        )
    return table
