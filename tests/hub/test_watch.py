"""The watch in a whole hub: findings reach mode, notices and listeners; a rule may fail."""

import asyncio
from pathlib import Path
from typing import Any

from hub import config as configuration
from hub.main import Hub
from hub.modes import Change
from hub.rules.finding import EMERGENCY, WARNING, Finding
from hub.watch import SAVE_US
from protocols.batch import Batch
from protocols.vocabulary import MODE_DISASTER, MODE_NORMAL, MODE_WATCH


def finding(mode: int, key: str = "river-1", is_over: bool = False) -> Finding:
    level = EMERGENCY if mode == MODE_DISASTER else WARNING
    return Finding("river", key, level, mode, "水位", "Stage", is_over)


class Broken:
    """A rule with a bug."""

    name = "broken"

    def wants(self, device: str, kind: str, lane: int) -> bool:
        return True

    def feed(self, device: str, batch: Batch, at_us: int) -> list[Finding]:
        raise ZeroDivisionError

    def tick(self, now_us: int, utc_us: int) -> list[Finding]:
        raise ZeroDivisionError

    def save(self, now_us: int) -> dict[str, Any]:
        return {"count": 3}

    def restore(self, saved: dict[str, Any], now_us: int) -> None:
        raise KeyError("of another version")


def with_hub(folder: Path, act: Any) -> Any:
    """Run `act(hub)` in a hub whose files are in folder, and close it in good order."""

    async def main() -> Any:
        path = folder / "hub.toml"
        if not path.exists():
            configuration.init(folder, {("uplink", "port"): 1})
        hub = Hub(configuration.load(path))
        try:
            return act(hub)
        finally:
            hub.watch.save()
            await hub.store.wait_idle()
            await hub.room.close()
            await hub.store.close()

    return asyncio.run(main())


def test_a_finding_reaches_mode_page_and_listeners(tmp_path: Path) -> None:
    def act(hub: Hub) -> None:
        heard: list[tuple[Finding, bool]] = []
        changes: list[Change] = []
        hub.watch.on_finding.append(lambda one, drill: heard.append((one, drill)))
        hub.watch.on_change.append(changes.append)
        hub.watch.find(finding(MODE_WATCH))
        hub.watch.find(finding(MODE_DISASTER))
        hub.watch.find(finding(MODE_NORMAL, is_over=True))
        assert [one.mode for one, _ in heard] == [MODE_WATCH, MODE_DISASTER, MODE_NORMAL]
        assert [one.mode for one in changes] == [MODE_WATCH, MODE_DISASTER]
        state = hub.snapshot()
        assert state["mode"]["mode"] == "disaster" and state["mode"]["actor"] == "rule:river"
        assert [one["level"] for one in state["alerts"]] == ["warning", "emergency", "info"]

    with_hub(tmp_path, act)


def test_a_rule_that_fails_is_counted_and_the_others_go_on(tmp_path: Path) -> None:
    def act(hub: Hub) -> None:
        others = len(hub.watch.rules)
        hub.watch.rules.insert(0, Broken())
        for _ in range(3):
            hub.watch.tick(hub.clock.now_us())
        assert hub.watch.failures == {"broken": 3} and len(hub.watch.rules) == others + 1

    with_hub(tmp_path, act)


def test_what_rules_must_not_forget_is_there_after_a_restart(tmp_path: Path) -> None:
    def first(hub: Hub) -> None:
        hub.watch.rules.append(Broken())
        hub.watch.tick(hub.clock.now_us() + SAVE_US)

    def second(hub: Hub) -> str:
        return str(hub.store.meta["rule:broken"])

    with_hub(tmp_path, first)
    assert with_hub(tmp_path, second) == '{"count": 3}'
