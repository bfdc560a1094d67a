"""Nothing of a drill leaves the hub without its mark, and nothing real ever carries it.

A whole hub, with two devices in sessions, goes through random orders of drills, findings of both
sorts, orders of people, time and restarts. What went out of every port is then looked at: records
to platforms, the page, listeners (who make warnings and sound sirens), commands to devices.
"""

import asyncio
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hub import config as configuration
from hub.main import Hub
from hub.modes import ModeError
from hub.notices import DRILL_MARK
from hub.rules.finding import LEVEL_NAMES, Finding
from protocols.records import decode_record
from protocols.session import OPEN
from protocols.vocabulary import COMMAND_MODE, KIND_MODE, KIND_NOTICE
from tests.hub.hand_clock import HandClock

S = 1_000_000
REAL, MADE_UP = "real", "made up"
# No line that could be cut: that is real, too, and would end each drill.
SETTINGS = {("uplink", "port"): 1, ("mode", "backhaul_s"): 0}

modes = st.integers(1, 2)
keys = st.sampled_from(["river-1", "bridge-1"])
actions = st.one_of(
    st.tuples(st.just("drill"), modes, st.integers(1, 60)),
    st.tuples(st.just("set drill"), modes),
    st.tuples(st.just("end")),
    st.tuples(st.just("exercise"), st.integers(0, 2), keys, st.booleans()),
    st.tuples(st.just("find"), st.integers(0, 2), keys, st.booleans()),
    st.tuples(st.just("set"), st.integers(0, 2), st.integers(0, 3600)),
    st.tuples(st.just("wait"), st.integers(1, 7200)),
    st.tuples(st.just("restart")),
    st.tuples(st.just("kill")),
)


def finding(text: str, mode: int, key: str, is_over: bool) -> Finding:
    """Return a finding that says of which sort it is."""
    return Finding("river", key, 2, mode, text, text, is_over, kind="river")


class Town:
    """A hub, restarted at will, and all that came out of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = HandClock()
        self.heard: list[tuple[Finding, bool, bool]] = []  # and whether the hub was in a drill
        self.notices: list[tuple[str, bool]] = []  # text, mark
        self.mode_records: list[tuple[int, bool]] = []
        self.changes: list[tuple[int, bool]] = []
        self.commands: list[tuple[int, list[Any]]] = []
        self.start()

    def start(self) -> None:
        """Start the hub."""
        hub = self.hub = Hub(configuration.load(self.path), self.clock)
        watch = hub.watch
        watch.on_finding.append(
            lambda one, drill: self.heard.append((one, drill, watch.modes.drill))
        )
        watch.on_change.append(lambda change: self.changes.append((change.mode, change.drill)))
        record = hub.sender.record

        def send(kind: int, lane: int, now_us: int, fields: dict[str, Any]) -> None:
            if kind == KIND_NOTICE:
                self.notices.append((fields["text_en"], fields["drill"]))
            elif kind == KIND_MODE:
                self.mode_records.append((fields["mode"], fields["drill"]))
            record(kind, lane, now_us, fields)

        hub.sender.record = send  # type: ignore[method-assign]
        peer: Any = SimpleNamespace(
            state=OPEN,
            command=lambda code, arguments, answer: self.commands.append((code, list(arguments))),
            tick=lambda now_us: None,
        )
        hub.ingest.peers["river-1"] = peer
        told = [arguments for code, arguments in self.commands if code == COMMAND_MODE]
        mode, drill = told[-1] if told else (0, False)  # what the device goes by
        hello = {"mode": mode, "drill": drill, "policy": 0}
        assert watch.orders is not None
        watch.orders.greeted("river-1", hello)

    async def stop(self, *, in_order: bool = True) -> None:
        """Stop it; killed, it keeps what it had kept by then."""
        self.hub.ingest.peers.clear()
        if in_order:
            self.hub.watch.save()
        await self.hub.store.wait_idle()
        await self.hub.room.close()
        await self.hub.store.close()

    async def act(self, action: tuple[Any, ...]) -> None:
        """Do one thing; what cannot be done now is left."""
        watch, name = self.hub.watch, action[0]
        try:
            if name == "drill":
                watch.start_drill(action[1], "person:x", (MADE_UP, MADE_UP), minutes=action[2])
            elif name == "set drill":
                watch.set_mode(action[1], True, "person:x", MADE_UP)
            elif name == "end":
                watch.end_drill("person:x", ("over", "over"))
            elif name == "exercise":
                watch.exercise(finding(MADE_UP, *action[1:]))
            elif name == "find":
                watch.find(finding(REAL, *action[1:]))
            elif name == "set":
                watch.set_mode(action[1], False, "person:x", REAL, hold_s=action[2])
        except ModeError:
            pass
        if name == "wait":
            for _ in range(3):
                self.clock.advance(action[1] * S // 3)
                watch.tick(self.clock.now_us())
        elif name in ("restart", "kill"):
            await self.stop(in_order=name == "restart")
            self.start()

    def check(self) -> None:
        """Look at what came out."""
        for one, drill, in_drill in self.heard:
            is_marked = one.text_en.startswith(DRILL_MARK[1])
            assert (
                drill == is_marked == (MADE_UP in one.text_en or "end of the drill" in one.text_en)
            )
            assert not (in_drill and not drill and one.mode and not one.is_over)
        for text, drill in self.notices:
            assert (MADE_UP in text) <= drill, text
            assert drill == text.startswith(DRILL_MARK[1]), text
            assert not (drill and REAL in text), text
        assert self.mode_records == self.changes
        told = [tuple(arguments) for code, arguments in self.commands if code == COMMAND_MODE]
        assert set(told) <= {(0, False), *self.changes}
        modes = self.hub.watch.modes
        if self.changes:
            assert self.changes[-1] == (modes.mode, modes.drill)
        assert (told or [(0, False)])[-1] == (modes.mode, modes.drill)
        for alert in self.hub.snapshot()["alerts"]:
            assert alert["drill"] == alert["text_en"].startswith(DRILL_MARK[1])
            assert alert["level"] in LEVEL_NAMES


def play(script: list[tuple[Any, ...]]) -> Town:
    """Run one script on a hub of its own."""

    async def main(folder: str) -> Town:
        path = configuration.init(Path(folder) / "hub", SETTINGS)
        device = configuration.Device("river-1", b"r" * 32, "river")
        configuration.enroll(path.parent / "devices.toml", device)
        town = Town(path)
        try:
            for action in script:
                await town.act(action)
            town.check()
        finally:
            await town.stop()
        return town

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(main(folder))


@given(st.lists(actions, max_size=20))
@settings(max_examples=25, deadline=None)
def test_nothing_of_a_drill_leaves_without_its_mark_and_nothing_real_has_it(
    script: list[tuple[Any, ...]],
) -> None:
    play(script)


def test_a_whole_drill_is_marked_from_end_to_end() -> None:
    town = play([("drill", 2, 30), ("exercise", 2, "river-1", False), ("wait", 5400)])
    assert town.mode_records == [(2, True), (0, False)]
    assert [drill for _, drill in town.notices] == [True] * 4
    assert [one.is_over for one, _, _ in town.heard] == [False, False, True, True]
    assert town.commands[0] == (COMMAND_MODE, [2, True])


def test_a_hub_that_is_killed_in_a_drill_ends_it_with_all_that_was_made_up() -> None:
    town = play([("drill", 2, 30), ("exercise", 2, "river-1", False), ("kill",), ("end",)])
    ended = [(one.rule, one.is_over) for one, drill, _ in town.heard if drill]
    assert ended == [("drill", False), ("river", False), ("drill", True), ("river", True)]


def test_a_real_finding_ends_the_drill_and_all_that_was_made_up() -> None:
    town = play(
        [("drill", 2, 30), ("exercise", 2, "river-1", False), ("find", 1, "river-1", False)]
    )
    assert town.mode_records == [(2, True), (1, False)]
    texts = [text for text, drill in town.notices if not drill]
    assert texts == ["The drill ends: this is real.", REAL]
    assert (town.heard[-1][0].text_en, town.heard[-1][1:]) == (REAL, (False, False))
    ended = [(one.rule, one.is_over) for one, drill, _ in town.heard if drill]
    assert ended == [("drill", False), ("river", False), ("drill", True), ("river", True)]


def test_what_the_platform_gets_of_a_drill_decodes_with_the_mark() -> None:
    async def main(folder: str) -> list[Any]:
        path = configuration.init(Path(folder) / "hub", SETTINGS)
        hub = Hub(configuration.load(path), HandClock())
        frames: list[bytes] = []
        append = hub.store.append_own

        def note(device: str, identity: Any, frame: bytes) -> None:
            frames.append(frame)
            append(device, identity, frame)

        hub.store.append_own = note  # type: ignore[method-assign]
        hub.watch.start_drill(1, "person:x", ("訓練", "drill"))
        await hub.store.wait_idle()
        await hub.room.close()
        await hub.store.close()
        return [decode_record(hub.sender.keys.up.open(frame)) for frame in frames]

    with tempfile.TemporaryDirectory() as folder:
        records = asyncio.run(main(folder))
    kinds = {
        record[0]: record[-1]["drill"]
        for record in records
        if record[0] in (KIND_MODE, KIND_NOTICE)
    }
    assert kinds == {KIND_MODE: True, KIND_NOTICE: True}
