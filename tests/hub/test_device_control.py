"""Commands of an operator to one device: told or refused at once, answered, audited."""

import asyncio
import sqlite3
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hub.device_control
from boards.profiles import make_config
from hub.admin import AdminError, ask
from hub.config import Device
from hub.device_control import ROWS, DeviceControl
from hub.device_health import CRASH_SIZE_MAX, Start, start_of
from protocols.vocabulary import (
    COMMAND_ACTUATE,
    COMMAND_MODE,
    COMMAND_NAMES,
    COMMAND_POLICY,
    COMMAND_SWITCH,
    COMMAND_UPDATE,
    RESULT_DONE,
    RESULT_DRILL,
)
from simulators.clock import RunningClock
from simulators.signals.basic import Constant
from simulators.virtual_device import VirtualDevice
from tests.e2e.test_modes import until
from tests.hub.hub_process import command, running_hub, secret_of
from tests.hub.test_orders import HandPeer
from tests.simulators.test_survival import flashlog_keeps_bad_starts

NAME = "river-1"


class Bench:
    """Device control with one device that answers when it is told to."""

    def __init__(self, *, is_here: bool = True) -> None:
        peer: Any = HandPeer()
        peer.device, peer.hello = NAME, {"boot": 7}
        self.peer = peer
        self.drill = False
        self.notes: list[tuple[str, str, str, str]] = []
        peers = {NAME: self.peer} if is_here else {}
        ingest: Any = SimpleNamespace(peers=peers, devices={NAME: Device(NAME, bytes(32))})

        def note(*words: Any) -> None:
            self.notes.append(words)

        self.handlers = DeviceControl(
            ingest, lambda: self.drill, note, lambda device: Start()
        ).handlers()

    def give(self, name: str, status: int | None = RESULT_DONE, **fields: Any) -> Any:
        """Give a command as "person:sato"; the device answers, but for status None."""
        return asyncio.run(self._give(name, status, {"device": NAME, **fields}))

    async def _give(self, name: str, status: int | None, fields: dict[str, Any]) -> Any:
        waiting = self.handlers[f"device {name}"](fields, "person:sato")
        task = asyncio.ensure_future(waiting)
        await asyncio.sleep(0)
        if status is not None:
            self.peer.answers[-1](NAME, {"id": 1, "status": status, "detail": "so"})
        return await task


def test_every_command_of_the_wire_can_be_given_by_somebody() -> None:
    others = {COMMAND_MODE, COMMAND_POLICY, COMMAND_UPDATE, COMMAND_SWITCH}  # hub.orders, .update
    assert {row.code for row in ROWS.values()} | others == set(COMMAND_NAMES)
    assert all(COMMAND_NAMES[row.code] == name for name, row in ROWS.items())


@pytest.mark.parametrize("name", ["restart", "identify", "self-test"])
def test_order_and_answer_stand_in_the_audit_log(name: str) -> None:
    bench = Bench()
    found = bench.give(name, reason="点検", by="佐藤")
    assert found == {"device": NAME, "boot": 7, "done": True, "answer": "done so"}
    assert bench.peer.commands == [(ROWS[name].code, [])]
    assert bench.notes == [
        ("person:佐藤 (sato)", f"device {name}", NAME, "点検"),
        (f"device:{NAME}", f"device {name}", NAME, "done so"),
    ]


def test_a_device_that_is_away_or_unknown_is_told_nothing_now_or_later() -> None:
    for bench in (Bench(is_here=False), Bench()):
        bench.peer.state = "greeted"
        with pytest.raises(AdminError, match="is away, and was not told"):
            bench.give("restart")
        assert bench.peer.commands == [] == bench.notes
    with pytest.raises(AdminError, match="other is not enrolled"):
        Bench().handlers["device restart"]({"device": "other"}, "person:x")


def test_an_answer_that_does_not_come_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.device_control, "ANSWER_S", 0.01)
    bench = Bench()
    with pytest.raises(AdminError, match="has not answered"):
        bench.give("restart", None)
    assert bench.notes[-1][3] == "no answer"
    bench.peer.answers[0](NAME, {"id": 1, "status": RESULT_DONE, "detail": ""})  # too late


def test_what_is_switched_on_in_a_drill_is_marked_as_such() -> None:
    bench = Bench()
    bench.give("actuate", output="siren", seconds=1.5)
    bench.drill = True
    found = bench.give("actuate", RESULT_DRILL, output="siren", seconds=2, drill=False)
    assert found["done"] is False and found["answer"].startswith("not done: drill")
    bench.drill = False
    bench.give("actuate", output="siren", drill=True)
    assert bench.peer.commands == [
        (COMMAND_ACTUATE, ["siren", 1500, False]),
        (COMMAND_ACTUATE, ["siren", 2000, True]),
        (COMMAND_ACTUATE, ["siren", 0, True]),
    ]
    wrong: list[dict[str, Any]] = [{}, {"output": "x" * 33}]
    wrong += [{"output": "siren", "seconds": one} for one in (-1, 3601, True, "9", float("nan"))]
    for fields in wrong:
        with pytest.raises(AdminError):
            bench.give("actuate", **fields)


def test_how_a_boot_began() -> None:
    assert start_of("power_on") == Start("power_on")
    text = "watchdog; slot 1, on trial; safe mode; boot 4: sampler: a; b | OSError: safe mode"
    crash = "boot 4: sampler: a; b | OSError: safe mode"
    assert start_of(text) == Start("watchdog", "B", True, True, False, crash)
    assert start_of("software; slot 0; boot 1: x") == Start("software", "A", crash="boot 1: x")
    weak = start_of("power_on; 4 short boots in a row, look at the supply")
    assert weak.is_supply_weak and not weak.is_safe and weak.crash == ""
    assert start_of("") == Start() and start_of("; ; ")[:2] == ("", "")
    assert len(start_of("x; \x1b[31m" + "y" * 999).crash) == CRASH_SIZE_MAX


async def test_a_real_device_in_safe_mode_is_named_and_restarted_by_the_command_line(
    tmp_path: Path,
) -> None:
    with running_hub(tmp_path) as town:
        secret = secret_of(NAME).hex()
        config = make_config("river-gauge", NAME, secret, host="127.0.0.1", port=town.port)
        device = VirtualDevice(config, {"level": Constant(3.0)}, RunningClock())

        def give(name: str, **fields: Any) -> Any:
            request = {"do": f"device {name}", "device": NAME, **fields}
            return asyncio.to_thread(ask, town.folder / "data", request)

        flashlog_keeps_bad_starts(device)
        device.board._next_cause = "watchdog"
        device.board.power_on()
        device.start()
        await until(lambda: device.agent and device.agent.uplink.sessions_count, "a session")
        before = await give("show")
        assert (before["boot"], before["cause"], before["is_safe"]) == (2, "watchdog", True)
        await until(lambda: town.status()["device_counts"]["safe_mode"] == 1, "it is counted")
        [alert] = [one for one in town.status()["alerts"] if one["kind"] == "device"]
        assert alert["level"] == "warning" and f"device show {NAME}" in alert["text_ja"]
        dark = await give("identify")
        assert dark == {"device": NAME, "boot": 2, "done": False, "answer": "failed no led_pin"}
        words = ("device", "restart", NAME, "--reason", "配線を直した", "--wait", "20")
        line = command(*words, "--config", str(town.config))
        done = await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "完了" in done.stdout and "boot 3" in done.stdout
        shown = await give("show")
        assert (shown["boot"], shown["cause"], shown["is_safe"]) == (3, "software", False)
        await device.stop()
        with pytest.raises(AdminError, match="is away"):
            await give("restart")
        assert town.end() == 0
        with sqlite3.connect(town.folder / "data" / "hub.sqlite") as db:
            rows = db.execute("SELECT body FROM ledger WHERE kind = 'audit'").fetchall()
        db.close()
        assert sum("device restart" in str(row) for row in rows) == 2, rows
