"""The alerts of a whole hub: what a finding comes to, and what of a drill can get out."""

import asyncio
import http.client
import json
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hub import config as configuration
from hub.alerts import outbox
from hub.alerts.lalert import FOLDER
from hub.alerts.outbox import FILE_NAME
from hub.console.server import serve
from hub.ledger import AUDIT, read
from hub.main import Hub
from hub.rules.finding import EMERGENCY, INFO, WARNING, Finding
from hub.settings import SettingsError
from protocols.session import OPEN
from protocols.vocabulary import COMMAND_ACTUATE, MODE_DISASTER, RESULT_DONE
from tests.hub.alerts.receivers import web_receiver
from tests.hub.alerts.test_cap import check_schema
from tests.hub.alerts.test_cap import read as read_cap

WIRE = Finding("slope", "slope-1", EMERGENCY, MODE_DISASTER, "線が切れました", "wire cut",
               kind="slope-wire", place="slope-1")  # fmt: skip
WIRE_OVER = Finding("slope", "slope-1", INFO, 0, "復旧", "mended", is_over=True, kind="slope-wire")
HOME = Finding("watch-over", "p-7", EMERGENCY, 0, "佐藤さん 応答なし", "Sato silent",
               kind="watch-over", place="home-1")  # fmt: skip


class Killed(Exception):
    """The hub ends in the middle of it."""


class FakePeer:
    """A connected device that does what it is told. status: what it answers."""

    def __init__(self) -> None:
        self.commands: list[tuple[int, list[Any]]] = []
        self.status = RESULT_DONE
        self.state = OPEN
        self.hello: dict[str, Any] = {"policy": 0}

    def command(self, code: int, arguments: list[Any], answer: Any = None) -> int:
        self.commands.append((code, arguments))
        if answer is not None:
            answer("siren-1", {"id": 1, "status": self.status, "detail": ""})
        return len(self.commands)

    def actuated(self) -> list[list[Any]]:
        return [arguments for code, arguments in self.commands if code == COMMAND_ACTUATE]


def settings(folder: Path, hook_port: int, **more: Any) -> Path:
    """Write a hub with a webhook, a siren and a lamp for practice, and no uplink."""
    path = configuration.init(folder / "hub", {("alerts", key): one for key, one in more.items()})
    text = path.read_text().partition("\n[[uplink]]")
    path.write_text(text[0])
    for name in ("slope-1", "siren-1", "home-1"):
        device = configuration.Device(name, name.encode().ljust(32, b"."), "slope")
        configuration.enroll(path.parent / "devices.toml", device)
    hook = {"name": "prefecture", "url": f"http://127.0.0.1:{hook_port}/"}
    configuration.add_table(path, "webhook", hook)
    configuration.add_table(path, "siren", {"device": "siren-1"})
    lamp = {"device": "siren-1", "output": "lamp", "practice": True}
    configuration.add_table(path, "siren", lamp)
    return path


def run(path: Path, act: Callable[[Hub, FakePeer], Awaitable[None]]) -> FakePeer:
    """Let a hub's alerts run while act does; all is delivered after it."""
    peer = FakePeer()

    async def main() -> None:
        hub = Hub(configuration.load(path))
        hub.ingest.peers["siren-1"] = peer  # type: ignore[assignment]
        tasks = [asyncio.ensure_future(work()) for work, _ in hub.alerts.jobs()]
        try:
            await act(hub, peer)
            await until(lambda: all(one["state"] == "idle" for one in
                                    hub.alerts.statistics()["channels"]))  # fmt: skip
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await hub.store.wait_idle()
            await hub.room.close()
            await hub.alerts.close()
            await hub.store.close()

    asyncio.run(main())
    return peer


async def fetched(hub: Hub, path: str) -> tuple[int, str, bytes]:
    """Return status, media type and body of what the hub's page serves."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(hub, "127.0.0.1", 0, stop, ready=ready, alerts=hub.alerts))
    port = await ready

    def get() -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path)
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, reply.headers.get_content_type(), body

    try:
        return await asyncio.to_thread(get)
    finally:
        stop.set()
        await serving


async def until(is_true: Callable[[], Any]) -> None:
    """Wait until it is so, and a moment more."""
    async with asyncio.timeout(15):
        while not is_true():  # noqa: ASYNC110 (it looks from outside)
            await asyncio.sleep(0.01)


def test_a_torn_wire_sounds_the_siren_and_reaches_everybody(tmp_path: Path) -> None:
    with web_receiver() as receiver:
        path = settings(tmp_path, receiver.port)

        async def act(hub: Hub, peer: FakePeer) -> None:
            hub.watch.find(WIRE)
            # At once: before anything was written or sent, and with no uplink at all.
            assert peer.actuated() == [["siren", 60_000, False], ["lamp", 60_000, False]]
            await until(lambda: receiver.got)
            assert b"<status>Actual</status>" in receiver.got[0][1]
            check_schema(receiver.got[0][1])
            (event,) = hub.snapshot()["warnings"]
            assert event["level"] == "emergency" and event["needs_acknowledgement"]
            feed = ElementTree.fromstring(hub.alerts.feed())
            name = receiver.taken()[0]
            assert f"/alerts/{name}.xml" in ElementTree.tostring(feed).decode()
            assert hub.alerts.document(name) == receiver.got[0][1]
            await until(lambda: list((tmp_path / "hub/data" / FOLDER).glob("actual-*.txt")))

        run(path, act)


def test_the_page_serves_feed_and_documents_offline(tmp_path: Path) -> None:
    with web_receiver() as receiver:
        path = settings(tmp_path, receiver.port)

        async def act(hub: Hub, peer: FakePeer) -> None:
            hub.watch.find(WIRE)
            hub.watch.find(HOME)
            await until(lambda: receiver.got)
            name = receiver.taken()[0]
            status, sort, body = await fetched(hub, "/alerts.atom")
            assert (status, sort) == (200, "application/atom+xml")
            assert "佐藤" not in body.decode() and "線が切れました" in body.decode()
            status, sort, body = await fetched(hub, f"/alerts/{name}.xml")
            assert (status, sort) == (200, "application/cap+xml")
            assert read_cap(body).identifier == name
            newest = outbox.listed(path.parent / "data" / FILE_NAME, 5)
            private = next(one for one in newest if one["kind"] == "watch-over")
            for other in (private["sent"][0][0], "none"):
                assert (await fetched(hub, f"/alerts/{other}.xml"))[0] == 404

        run(path, act)
        assert len(receiver.got) == 1  # what concerns a person went to no webhook


def test_nothing_of_a_drill_gets_out_unmarked_and_no_siren_sounds(tmp_path: Path) -> None:
    with web_receiver() as receiver:
        path = settings(tmp_path, receiver.port, settle_s=0)

        async def act(hub: Hub, peer: FakePeer) -> None:
            hub.watch.start_drill(MODE_DISASTER, "person:Sato", ("訓練", "drill"))
            hub.watch.exercise(WIRE)
            hub.watch.exercise(WIRE_OVER)
            hub.alerts.tick(hub.clock.now_us())
            hub.watch.exercise(WIRE)
            hub.watch.end_drill("person:Sato", ("終了", "over"))
            await until(lambda: len(receiver.got) == 6)

        peer = run(path, act)
        assert receiver.got
        for _, body in receiver.got:
            alert = read_cap(body)
            assert alert.status.value == "Exercise"
            assert all("訓練" in (alert.infos[0].headline or "") for _ in alert.infos)
        assert all(arguments[0] == "lamp" and arguments[2] for arguments in peer.actuated())
        names = [path.name for path in (tmp_path / "hub/data" / FOLDER).iterdir()]
        assert names and all(name.startswith("exercise-") for name in names)


def test_a_real_event_in_a_drill_ends_it_and_sounds(tmp_path: Path) -> None:
    with web_receiver() as receiver:
        path = settings(tmp_path, receiver.port)

        async def act(hub: Hub, peer: FakePeer) -> None:
            hub.watch.start_drill(MODE_DISASTER, "person:Sato", ("訓練", "drill"))
            hub.watch.exercise(WIRE)
            assert ["siren", 60_000, False] not in peer.actuated()
            hub.watch.find(WIRE)
            assert ["siren", 60_000, False] in peer.actuated()
            await until(lambda: any(b">Actual<" in body for _, body in receiver.got))

        run(path, act)


def test_a_drill_that_ended_as_the_hub_died_leaves_no_alert(tmp_path: Path) -> None:
    with web_receiver() as receiver:
        path = settings(tmp_path, receiver.port)

        async def first(hub: Hub, peer: FakePeer) -> None:
            hub.watch.start_drill(MODE_DISASTER, "person:Sato", ("訓練", "drill"))
            await until(lambda: len(receiver.got) == 1)
            hub.alerts.changed = lambda change: None  # type: ignore[method-assign]
            hub.watch.on_change.clear()
            hub.watch.on_finding.clear()
            hub.watch.end_drill("person:Sato", ("終了", "over"))

        async def second(hub: Hub, peer: FakePeer) -> None:
            assert hub.alerts.open_events() == []
            await until(lambda: len(receiver.got) == 2)

        run(path, first)
        run(path, second)
        types = [read_cap(body).msg_type.value for _, body in receiver.got]
        assert types == ["Alert", "Cancel"]


def test_what_was_said_from_memory_lends_its_name_to_nothing_after_a_restart(
    tmp_path: Path,
) -> None:
    with web_receiver() as receiver:
        path = settings(tmp_path, receiver.port)

        async def first(hub: Hub, peer: FakePeer) -> None:
            hub.alerts._outbox._in_memory(OSError("full"), hub.alerts._outbox._db)
            hub.watch.find(WIRE)
            await until(lambda: len(receiver.got) == 1)

        async def second(hub: Hub, peer: FakePeer) -> None:
            hub.watch.find(river(EMERGENCY, "4.0 m"))
            await until(lambda: len(receiver.got) == 2)

        run(path, first)
        run(path, second)
        assert len(receiver.taken()) == 2


def test_a_second_crest_sounds_again_and_one_just_before_the_hub_died_after_it(
    tmp_path: Path,
) -> None:
    siren = ["siren", 60_000, False]
    with web_receiver() as receiver:
        path = settings(tmp_path, receiver.port)

        async def first(hub: Hub, peer: FakePeer) -> None:
            counts = []
            for level in (WARNING, EMERGENCY, EMERGENCY, WARNING, EMERGENCY):
                hub.watch.find(river(level, f"level {level}", kind="river"))
                counts.append(peer.actuated().count(siren))
            assert counts == [0, 1, 1, 1, 2]

        async def second(hub: Hub, peer: FakePeer) -> None:
            hub.alerts.tick(hub.clock.now_us() + 4_000_000)
            assert siren in peer.actuated()

        run(path, first)
        with sqlite3.connect(path.parent / "data" / FILE_NAME) as db:
            (body,) = db.execute("SELECT body FROM event").fetchone()
            event = json.loads(body)
            event["started_utc_us"] -= 3_600_000_000
            db.execute("UPDATE event SET body = ?", (json.dumps(event),))
        db.close()
        run(path, second)


def river(level: int, text: str, is_over: bool = False, kind: str = "") -> Finding:
    return Finding("river", "river-1", level, 0, text, text, is_over, kind=kind)


def test_who_is_told_of_an_event_hears_its_end_and_others_only_when_nobody_reacts(
    tmp_path: Path,
) -> None:
    with web_receiver() as told, web_receiver() as head, web_receiver() as every:
        path = settings(tmp_path, every.port, settle_s=0, update_s=10, escalate_s=30)
        for name, port, more in (
            ("told", told.port, {"level": "emergency"}),
            ("head", head.port, {"step": 1}),
        ):
            hook = {"name": name, "url": f"http://127.0.0.1:{port}/", **more}
            configuration.add_table(path, "webhook", hook)

        async def act(hub: Hub, peer: FakePeer) -> None:
            at_us = hub.clock.now_us()
            hub.watch.find(river(WARNING, "3.0 m"))
            hub.watch.find(river(EMERGENCY, "4.0 m"))
            hub.watch.find(river(WARNING, "3.5 m"))
            hub.alerts.tick(at_us + 12_000_000)
            await until(lambda: len(every.got) == 3)
            assert head.got == []
            hub.alerts.tick(at_us + 31_000_000)
            await until(lambda: head.got)
            hub.watch.find(river(INFO, "2.0 m", is_over=True))
            hub.alerts.tick(at_us + 33_000_000)
            await until(lambda: len(every.got) == 4)

        run(path, act)
        types = {
            name: [read_cap(body).msg_type.value for _, body in one.got]
            for name, one in (("every", every), ("told", told), ("head", head))
        }
        assert types == {
            "every": ["Alert", "Update", "Update", "Cancel"],
            "told": ["Update", "Update", "Cancel"],
            "head": ["Update", "Cancel"],
        }


def test_what_concerns_a_person_is_escalated_without_a_word_of_it(tmp_path: Path) -> None:
    with web_receiver() as receiver:
        path = settings(tmp_path, receiver.port, escalate_s=30)

        async def act(hub: Hub, peer: FakePeer) -> None:
            hub.watch.find(HOME)
            now_us = hub.clock.now_us()
            hub.alerts.tick(now_us + 31_000_000)
            texts = [one["text_ja"] for one in hub.snapshot()["alerts"]]
            assert any("まだ誰も確認していません" in one for one in texts)
            assert "佐藤" not in json.dumps(hub.snapshot(), ensure_ascii=False)
            await hub.store.wait_idle()
            entries = [one.fields() for _, one in read(hub.store._db, AUDIT)]
            assert any(one["command"] == "alerts escalate" for one in entries)
            assert "佐藤" not in json.dumps(entries, ensure_ascii=False)

        run(path, act)


def test_a_test_goes_everywhere_and_sounds_nothing(tmp_path: Path) -> None:
    with web_receiver() as receiver:
        path = settings(tmp_path, receiver.port)
        data = path.parent / "data" / FILE_NAME

        async def act(hub: Hub, peer: FakePeer) -> None:
            number = outbox.ask(data, outbox.TEST, "person:Sato", at_utc_us=1)
            await until(lambda: receiver.got and outbox.outcome(data, number))
            assert read_cap(receiver.got[0][1]).status.value == "Test"

        assert run(path, act).actuated() == []


def test_acknowledging_and_taking_back_are_in_the_ledger(tmp_path: Path) -> None:
    with web_receiver() as receiver:
        path = settings(tmp_path, receiver.port)
        data = path.parent / "data" / FILE_NAME

        async def act(hub: Hub, peer: FakePeer) -> None:
            hub.watch.find(WIRE)
            asked = ((outbox.ACK, 1), (outbox.ACK, 1), (outbox.ACK, 9), (outbox.CANCEL, 1))
            more = {"reason": "誤報", "at_utc_us": 1}
            await until(lambda: receiver.got)
            numbers = [outbox.ask(data, verb, "person:佐藤", event=event, **more)
                       for verb, event in asked]  # fmt: skip
            await until(lambda: all(outbox.outcome(data, one) for one in numbers))
            await until(lambda: len(receiver.got) == 2)
            assert read_cap(receiver.got[1][1]).msg_type.value == "Cancel"
            assert peer.actuated()[-2:] == [["siren", 0, False], ["lamp", 0, False]]
            await hub.store.wait_idle()
            entries = [one.fields() for _, one in read(hub.store._db, AUDIT)]
            after = [one["after"] for one in entries if one["actor"] == "person:佐藤"]
            assert after == [
                *(
                    "acknowledged: 誤報",
                    "nothing to acknowledge",
                    "there is no such event",
                    "cancelled",
                )
            ]

        run(path, act)
        (event,) = outbox.listed(data, 9)
        assert (event["state"], event["acknowledged_by"]) == ("cancelled", "person:佐藤")


def test_a_hub_that_ends_at_once_after_the_decision_sends_it_when_it_is_back(
    tmp_path: Path,
) -> None:
    path = settings(tmp_path, 1)  # nobody is there
    data = path.parent / "data" / FILE_NAME

    async def first(hub: Hub, peer: FakePeer) -> None:
        hub.watch.find(WIRE)
        await until(lambda: outbox.listed(data, 9))
        raise Killed

    with pytest.raises(Killed):
        run(path, first)
    with web_receiver() as receiver:
        text = path.read_text()
        path.write_text(text.replace("127.0.0.1:1/", f"127.0.0.1:{receiver.port}/"))

        async def second(hub: Hub, peer: FakePeer) -> None:
            await until(lambda: receiver.got)
            hub.watch.find(WIRE)

        peer = run(path, second)
        assert len(receiver.taken()) == 1
        # The siren is sounded once more: the first may not have heard.
        assert peer.actuated() == []


def test_a_storm_of_findings_costs_the_hub_little_and_keeps_the_limit(tmp_path: Path) -> None:
    with web_receiver() as receiver:
        path = settings(tmp_path, receiver.port)

        async def act(hub: Hub, peer: FakePeer) -> None:
            for number in range(2000):
                key = f"gauge-{number % 200}"
                hub.watch.find(Finding("river", key, 2, 1, f"{number}", f"{number}", place=key))
            await until(lambda: len(receiver.got) == 9)

        run(path, act)
        assert len(receiver.got) == 9  # of 12 a minute, three are for emergencies
        kept = outbox.listed(path.parent / "data" / FILE_NAME, 999)
        # Each of them is counted in its event, said or not.
        assert len(kept) == 200 and sum(one["findings"] for one in kept) == 2000


def test_settings_that_cannot_be_are_named(tmp_path: Path) -> None:
    for table, values, why in (
        ("siren", {"device": "none"}, "not enrolled"),
        ("siren", {"device": "siren-1", "kinds": "tsunami"}, "tsunami"),
        ("webhook", {"name": "x", "url": "ftp://example"}, "ftp"),
        ("webhook", {"name": "prefecture", "url": "https://example"}, "used twice"),
        ("mail", {"name": "x", "host": "h", "sender": "a@b", "receivers": "c@d", "user": "u",
                  "security": "none"}, "in clear"),
        ("alert_area", {"place": "a", "name_ja": "a", "name_en": "a", "polygon": "1,2 3,4"},
         "no closed edge"),
    ):  # fmt: skip
        path = settings(tmp_path / f"{table}-{why}", 1)
        configuration.add_table(path, table, values)
        with pytest.raises(SettingsError, match=why):
            configuration.load(path)
    path = settings(tmp_path, 1, municipality="1310")
    with pytest.raises(SettingsError) as caught:
        configuration.load(path)
    assert "five digits" in caught.value.remedy
