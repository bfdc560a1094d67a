"""The hub's side of an update: orders, pieces, freezing, what came back."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hub.rollout import FAILED, FETCHING, HEALTHY, PACKAGE, STATES, SWITCHING, WAITING, Limits
from hub.update import FOLDER, ORDER, SHOWN_MAX, Update
from protocols.manifest import join_release
from protocols.messages import PIECE
from protocols.session import OPEN
from protocols.vocabulary import (
    COMMAND_SWITCH,
    COMMAND_UPDATE,
    MODE_DISASTER,
    MODE_NORMAL,
    MODE_WATCH,
    RESULT_DONE,
    RESULT_FAILED,
    RESULT_PACKAGE,
)
from tests.protocols.release_key import release

IMAGE = bytes(range(256)) * 9
MESSAGE = release(IMAGE, "0.2.0")
OLD, NEW = "hinomi-agent 0.1.0", "hinomi-agent 0.2.0"


class HandPeer:
    """A session of a device, as hub.update sees it."""

    def __init__(self, boot: int = 1, firmware: str = OLD) -> None:
        self.state = OPEN
        self.hello = {"boot": boot, "firmware": firmware}
        self.commands: list[tuple[int, list[Any]]] = []
        self.pieces: list[tuple[int, int]] = []

    def command(self, code: int, arguments: list[Any]) -> int:
        """Note a command; return its number."""
        self.commands.append((code, arguments))
        return len(self.commands)

    def send(self, kind: int, fields: dict[str, Any]) -> None:
        """Note a piece."""
        assert kind == PIECE and IMAGE[fields["offset"] :].startswith(fields["data"])
        self.pieces.append((fields["offset"], len(fields["data"])))


def empty_ingest() -> Any:
    """Return what hub.update needs of an ingest."""
    return SimpleNamespace(peers={}, store=SimpleNamespace(seen={}))


class Bench:
    """One Update and what surrounds it."""

    def __init__(self, folder: Path, kept: str | None = None) -> None:
        self.folder = folder
        self.mode = MODE_NORMAL
        self.kept = kept
        self.notes: list[tuple[str, ...]] = []
        self.now_us = 0
        self.ingest = empty_ingest()
        self.update: Any = Update(
            folder,
            self.ingest,
            Limits(),
            timeout_s=100,
            mode=lambda: self.mode,
            save=self._save,
            note=lambda *words: self.notes.append(words),
            kept=kept,
        )

    def _save(self, key: str, text: str) -> None:
        assert key == "update"
        self.kept = text

    def order(self, **words: Any) -> None:
        """Leave an order as the command line does, and let the hub take it."""
        (self.folder / FOLDER).mkdir(exist_ok=True)
        (self.folder / FOLDER / "a.release").write_bytes(join_release(MESSAGE, IMAGE))
        whole: dict[str, Any] = {
            "command": "start",
            "file": "a.release",
            "version": "0.2.0",
            "devices": ["a", "b"],
        }
        whole |= {"force": False, "actor": "operator me", **words}
        (self.folder / FOLDER / ORDER).write_text(json.dumps(whole))
        self.tick()

    def tick(self, seconds: int = 1) -> None:
        """Let time pass."""
        self.now_us += seconds * 1_000_000
        self.update.tick(self.now_us)

    def join(
        self, name: str, boot: int = 1, firmware: str = OLD, frames: bool = False
    ) -> HandPeer:
        """Let a device begin a session."""
        peer = self.ingest.peers[name] = HandPeer(boot, firmware)
        if frames:
            self.ingest.store.seen[name, boot] = object()
        self.tick()
        return peer

    def result(self, name: str, number: int, status: int = RESULT_DONE, detail: str = "") -> None:
        """Let a device answer a command."""
        self.update.result(name, {"id": number, "status": status, "detail": detail})

    def states(self) -> dict[str, str]:
        """Return device -> state."""
        status = self.update.status()
        assert status is not None
        return {row["device"]: row["state"] for row in status["devices"]}


def fetch(bench: Bench, name: str, peer: HandPeer) -> None:
    """Let a device fetch everything."""
    number = len(peer.commands)
    bench.result(name, number)
    for offset in (0, 1024, 2048, len(IMAGE)):
        bench.update.want(name, {"id": number, "offset": offset})


def test_a_device_fetches_switches_and_is_healthy_once_a_frame_came(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order()
    assert not (tmp_path / FOLDER / ORDER).exists()
    peer = bench.join("a")
    assert peer.commands == [(COMMAND_UPDATE, [MESSAGE])]
    fetch(bench, "a", peer)
    assert peer.pieces == [(0, 1024), (1024, 1024), (2048, 256)]
    assert peer.commands[1] == (COMMAND_SWITCH, [])
    bench.result("a", 2)
    assert bench.states() == {"a": SWITCHING, "b": WAITING}
    bench.join("a")  # the line was cut: the same boot, it has not restarted yet
    assert bench.states()["a"] == SWITCHING
    bench.join("a", 2, NEW)
    assert bench.states()["a"] == SWITCHING
    bench.join("a", 2, NEW, frames=True)
    assert bench.states()["a"] == HEALTHY
    assert [note[1:3] for note in bench.notes] == [("update start", "a.release"), ("update", "a")]


def test_a_device_that_comes_back_with_the_old_version_stops_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order()
    peer = bench.join("a")
    fetch(bench, "a", peer)
    bench.result("a", 2)
    bench.join("a", 5, OLD, frames=True)
    assert bench.states() == {"a": FAILED, "b": WAITING}
    status = bench.update.status()
    assert status is not None and status["stopped"] == "a: went back to hinomi-agent 0.1.0"
    assert bench.notes[-1][1] == "update stop"
    assert bench.join("b").commands == []


def test_a_device_that_never_comes_back_stops_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order()
    peer = bench.join("a")
    fetch(bench, "a", peer)
    bench.result("a", 2)
    del bench.ingest.peers["a"]
    bench.tick()
    bench.tick(99)
    assert bench.states()["a"] == SWITCHING
    bench.tick(2)
    assert bench.states()["a"] == FAILED


def test_a_device_that_asks_for_nothing_stops_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order()
    peer = bench.join("a")
    bench.result("a", 1)
    bench.tick(99)
    bench.update.want("a", {"id": 1, "offset": 0})
    for _ in range(9):
        bench.tick(11)
    assert bench.states()["a"] == FETCHING and peer.pieces == [(0, 1024)]
    bench.tick(22)
    assert bench.states()["a"] == FAILED


def test_a_refusal_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order()
    bench.join("a")
    bench.result("a", 1, RESULT_FAILED, "counter 1 is below 2")
    bench.tick()
    status = bench.update.status()
    assert status is not None and status["stopped"] == "a: counter 1 is below 2"


def test_a_device_with_its_own_package_is_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order()
    bench.join("a")
    bench.result("a", 1, RESULT_PACKAGE, "updated by its own package")
    peer = bench.join("b")
    assert bench.states() == {"a": PACKAGE, "b": FETCHING} and len(peer.commands) == 1
    bench.join("a")
    assert bench.states()["a"] == PACKAGE


def test_a_new_session_is_offered_it_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order()
    peer = bench.join("a")
    bench.result("a", 1)
    again = bench.join("a")
    assert again.commands == [(COMMAND_UPDATE, [MESSAGE])] and peer.pieces == []
    bench.update.want("a", {"id": 9, "offset": 0})
    assert again.pieces == []
    bench.update.want("a", {"id": 1, "offset": 1024})
    assert again.pieces == [(1024, 1024)]


def test_disaster_freezes_it_and_so_does_watch_unless_forced(tmp_path: Path) -> None:
    for forced, frozen_in in ((False, (MODE_WATCH, MODE_DISASTER)), (True, (MODE_DISASTER,))):
        for mode in (MODE_WATCH, MODE_DISASTER):
            bench = Bench(tmp_path)
            bench.mode = mode
            bench.order(force=forced)
            is_frozen = mode in frozen_in
            peer = bench.join("a")
            assert (peer.commands == []) == is_frozen, (forced, mode)
            bench.mode = MODE_NORMAL
            bench.tick()
            bench.result("a", 1)
            bench.mode = mode
            bench.update.want("a", {"id": 1, "offset": 0})
            bench.update.want("a", {"id": 1, "offset": len(IMAGE)})
            assert (peer.pieces == []) == is_frozen and (len(peer.commands) == 1) == is_frozen
            bench.tick(1000)
            status = bench.update.status()
            assert status is not None and status["is_frozen"] == is_frozen
            assert not (is_frozen and status["stopped"])
            bench.mode = MODE_NORMAL
            bench.tick()
            assert len(peer.commands) == 2  # what waited is answered


def test_time_in_disaster_counts_against_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order()
    bench.join("a")
    bench.tick(90)
    bench.mode = MODE_DISASTER
    bench.tick(1000)
    bench.mode = MODE_NORMAL
    bench.tick(90)
    assert bench.states()["a"] == FETCHING


def test_force_stands_in_the_audit(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order(force=True)
    assert bench.notes[0][:2] == ("operator me", "update start --force")


def test_it_goes_on_after_a_restart_of_the_hub(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order()
    fetch(bench, "a", bench.join("a"))
    bench.result("a", 2)
    again = Bench(tmp_path, bench.kept)
    assert again.states() == {"a": SWITCHING, "b": WAITING}
    again.join("a", 2, NEW, frames=True)
    assert again.states()["a"] == HEALTHY
    assert again.join("b").commands == [(COMMAND_UPDATE, [MESSAGE])]


def test_of_a_large_fleet_those_at_work_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    names = [f"d{number}" for number in range(SHOWN_MAX + 10)]
    bench.order(devices=names)
    bench.join(names[-1])
    status = bench.update.status()
    assert status is not None and len(status["devices"]) == SHOWN_MAX
    first = status["devices"][0]
    assert (first["device"], first["state"]) == (names[-1], FETCHING)
    assert status["counts"] == {**dict.fromkeys(STATES, 0), FETCHING: 1, WAITING: len(names) - 1}
    assert status["is_stopped"] is False


def test_stop_stops_and_an_order_that_is_none_is_dropped(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order()
    bench.order(command="stop")
    status = bench.update.status()
    assert status is not None and status["stopped"] == "by an operator"
    peer = bench.join("a")
    assert peer.commands == []
    for text in ("", "{}", "[]", '{"command": "start"}', "\xff"):
        (tmp_path / FOLDER / ORDER).write_text(text, encoding="latin-1")
        bench.tick()
        assert not (tmp_path / FOLDER / ORDER).exists()


def test_a_release_that_is_gone_stops_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order(file="gone.release")
    status = bench.update.status()
    assert status is not None and status["stopped"].startswith("the release cannot be read")
    assert bench.join("a").commands == []


def test_a_device_that_runs_it_already_is_healthy(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.order()
    peer = bench.join("a", 3, NEW, frames=True)
    assert bench.states()["a"] == HEALTHY and peer.commands == []
