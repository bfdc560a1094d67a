"""The watch in a whole hub: findings reach mode, notices and listeners; a rule may fail."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hub import config as configuration
from hub.main import Hub
from hub.modes import Change, ModeError
from hub.rules.finding import EMERGENCY, WARNING, Finding
from hub.watch import SAVE_SPOKEN_US, SAVE_US
from protocols.batch import Batch
from protocols.vocabulary import LANES, MODE_DISASTER, MODE_NORMAL, MODE_WATCH
from tests.hub.batches import batch
from tests.hub.hand_clock import HandClock


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


class Spoken(Broken):
    """A rule that says something once."""

    name = "spoken"

    def tick(self, now_us: int, utc_us: int) -> list[Finding]:
        if getattr(self, "has_spoken", False):
            return []
        self.has_spoken = True
        return [finding(MODE_NORMAL)]


def test_a_rule_that_has_spoken_is_saved_at_once_and_not_each_second(tmp_path: Path) -> None:
    def act(hub: Hub) -> None:
        rule, now_us = Spoken(), hub.clock.now_us()
        hub.watch.rules.append(rule)
        hub.watch.tick(now_us)
        assert hub.store.meta["rule:spoken"] == '{"count": 3}'
        hub.store.save_meta("rule:spoken", "")
        rule.has_spoken = False
        hub.watch.tick(now_us + 1_000_000)
        assert hub.store.meta["rule:spoken"] == ""
        hub.watch.tick(now_us + SAVE_SPOKEN_US)
        assert hub.store.meta["rule:spoken"] == '{"count": 3}'

    with_hub(tmp_path, act)


class Town:
    """A hub whose time moves by hand, and that is started again at will."""

    def __init__(self, folder: Path, rows: str = "", values: Any = None) -> None:
        self.path = configuration.init(folder, {("uplink", "port"): 1, **(values or {})})
        with self.path.open("a") as file:
            file.write(rows)
        self.clock = HandClock()
        self.hub = Hub(configuration.load(self.path), self.clock)

    def wait(self, seconds: int) -> list[tuple[int, int, bool]]:
        """Let seconds pass; return (second, mode, drill) of each change."""
        modes = self.hub.watch.modes
        changes = []
        for second in range(1, seconds + 1):
            before = (modes.mode, modes.drill)
            self.clock.advance(1_000_000)
            self.hub.watch.tick(self.clock.now_us())
            if (modes.mode, modes.drill) != before:
                changes.append((second, modes.mode, modes.drill))
        return changes

    async def stop(self) -> None:
        """Stop in good order."""
        self.hub.watch.save()
        await self.hub.store.wait_idle()
        await self.hub.room.close()
        await self.hub.store.close()

    async def restart(self) -> None:
        """Stop, and start anew."""
        await self.stop()
        self.hub = Hub(configuration.load(self.path), self.clock)


def local(clock: HandClock, minutes: int) -> str:
    """Return the local time that is so many minutes ahead."""
    at_s = clock.utc_us() // 1_000_000 + 9 * 3600 + minutes * 60
    return f"{at_s // 3600 % 24:02}:{at_s // 60 % 60:02}"


async def test_a_line_that_is_cut_for_long_brings_watch_until_it_is_back(tmp_path: Path) -> None:
    town = Town(tmp_path, values={("mode", "watch_dwell_s"): 100})
    assert town.wait(700) == [(601, MODE_WATCH, False)]
    assert town.hub.watch.modes.actor == "rule:backhaul"
    town.hub.watch.are_up = lambda: [True]
    assert town.wait(200) == [(101, MODE_NORMAL, False)]
    await town.stop()


async def test_a_line_that_is_back_after_a_restart_holds_no_mode(tmp_path: Path) -> None:
    town = Town(tmp_path, values={("mode", "watch_dwell_s"): 100})
    town.wait(700)
    await town.restart()
    assert town.wait(60) == []  # still cut
    town.hub.watch.are_up = lambda: [True]
    assert town.wait(200) == [(101, MODE_NORMAL, False)]
    await town.stop()


async def test_a_drill_of_the_time_table_begins_and_ends_by_itself_once(tmp_path: Path) -> None:
    row = f'[[timetable]]\nname = "weekly"\nat = "{local(HandClock(), 5)}"\nminutes = 10\n'
    town = Town(tmp_path, row, {("mode", "backhaul_s"): 0})
    (begin,) = town.wait(400)
    assert begin[1:] == (MODE_WATCH, True) and 200 <= begin[0] <= 300
    await town.restart()
    (end,) = town.wait(900)
    assert end[1:] == (MODE_NORMAL, False) and 480 <= end[0] + 400 - begin[0] <= 600
    await town.stop()


async def test_no_drill_begins_while_something_real_is_on_and_people_are_told(
    tmp_path: Path,
) -> None:
    row = f'[[timetable]]\nname = "weekly"\nat = "{local(HandClock(), 1)}"\n'
    town = Town(tmp_path, row, {("mode", "backhaul_s"): 0})
    town.hub.watch.find(finding(MODE_WATCH))
    assert town.wait(120) == []
    assert [one["kind"] for one in town.hub.snapshot()["alerts"]] == ["river", "drill"]
    await town.stop()


async def test_a_clock_that_is_surely_wrong_begins_nothing(tmp_path: Path) -> None:
    clock = HandClock()
    clock.set_to(5_000_000)
    row = f'[[timetable]]\nname = "weekly"\nat = "{local(clock, 1)}"\nminutes = 60\n'
    town = Town(tmp_path, row, {("mode", "backhaul_s"): 0})
    town.clock.set_to(5_000_000)
    await town.restart()
    assert town.wait(300) == []
    await town.stop()


async def test_a_restart_goes_on_with_dwell_reason_and_who_asks(tmp_path: Path) -> None:
    values = {("mode", "backhaul_s"): 0, ("mode", "disaster_dwell_s"): 100}
    town = Town(tmp_path, values=values)
    town.hub.watch.find(finding(MODE_DISASTER))
    town.wait(50)
    await town.restart()
    snapshot = town.hub.watch.mode_snapshot()
    assert (snapshot["mode"], snapshot["reason_ja"], snapshot["reason_en"]) == (
        "disaster", "水位", "Stage",
    )  # fmt: skip
    assert (snapshot["actor_ja"], snapshot["actor_en"]) == (
        "自動判定 (河川水位)", "rule (River stage)",
    )  # fmt: skip
    assert town.wait(500) == []
    town.hub.watch.find(finding(MODE_NORMAL, is_over=True))
    assert town.wait(60) == []
    await town.restart()
    (change,) = town.wait(60)
    assert change == (41, MODE_WATCH, False)
    await town.stop()


async def test_the_end_of_a_drill_that_is_ordered_in_a_disaster_changes_nothing(
    tmp_path: Path,
) -> None:
    town = Town(tmp_path)
    watch = town.hub.watch
    watch.start_drill(MODE_WATCH, "person:x", ("訓練", "drill"))
    watch.set_mode(MODE_NORMAL, True, "platform:p", "over")
    assert (watch.modes.mode, watch.modes.drill) == (MODE_NORMAL, False)
    watch.find(finding(MODE_DISASTER))
    with pytest.raises(ModeError, match="There is no drill"):
        watch.set_mode(MODE_NORMAL, True, "platform:p", "over")
    assert (watch.modes.mode, watch.modes.drill) == (MODE_DISASTER, False)
    with pytest.raises(ModeError, match="for real"):
        watch.set_mode(MODE_WATCH, True, "platform:p", "drill")
    assert town.wait(3000) == []  # nobody has overruled the finding
    await town.stop()


async def test_a_cut_wire_holds_the_mode_for_days_over_restarts(tmp_path: Path) -> None:
    town = Town(tmp_path, values={("mode", "backhaul_s"): 0})
    device = configuration.Device("slope-1", bytes(range(32)), "slope")
    configuration.enroll(tmp_path / "devices.toml", device)
    configuration.add_table(town.path, "slope", {"device": "slope-1"})
    await town.restart()
    rule = next(one for one in town.hub.watch.rules if one.name == "slope")
    (cut,) = rule.feed("slope-1", batch("wire", [0.001]), town.clock.now_us())
    town.hub.watch.find(cut)
    for _ in range(2):
        await town.restart()
        town.wait(2)
        town.clock.advance(30 * 3_600_000_000)
        assert town.wait(2) == [] and town.hub.watch.modes.mode == MODE_DISASTER
    await town.stop()


async def test_memory_of_another_version_is_left_and_the_mode_is_kept(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.hub.watch.set_mode(MODE_DISASTER, False, "person:x", "reason")
    await town.hub.store.wait_idle()
    town.hub.watch.save = lambda: None  # type: ignore[method-assign]
    town.hub.store.save_meta("modes", '{"version": 9}')
    await town.restart()
    assert town.hub.watch.modes.mode == MODE_DISASTER
    await town.stop()


async def test_a_finding_of_too_many_words_raises_the_mode_and_goes_out_as_far_as_it_fits(
    tmp_path: Path,
) -> None:
    town = Town(tmp_path)
    long = Finding("river", "x", WARNING, MODE_WATCH, "水" * 900, "w" * 3000)
    town.hub.watch.find(long)
    assert town.hub.watch.modes.mode == MODE_WATCH
    await town.stop()


def test_frames_that_no_rule_needs_are_not_all_decoded(tmp_path: Path) -> None:
    def act(hub: Hub) -> None:
        wanted = [hub.ingest.is_wanted("pump-1", lane) for lane in LANES]
        assert wanted == [False] * 4  # health is content with those that the page shows

    path = configuration.init(tmp_path, {("uplink", "port"): 1})
    device = configuration.Device("pump-1", bytes(32), "other")
    configuration.enroll(path.parent / "devices.toml", device)
    with_hub(tmp_path, act)
