"""The office in a whole hub: opened by consent only, seen by ground only, in the ledger always."""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hub import config as configuration
from hub import ledger
from hub.console.public import public_snapshot
from hub.main import Hub
from hub.people import register
from protocols.batch import Series, encode_batch
from protocols.cose import DeviceKeys
from protocols.records import encode_record
from protocols.vocabulary import (
    GAP_SENSOR_FAULT,
    KIND_GAP,
    LANE_ALERT,
    LANE_LIFE,
    MODE_DISASTER,
    MODE_NORMAL,
    MODE_WATCH,
)
from tests.hub.hand_clock import HandClock

S = 1_000_000
SECRET = bytes(range(32))
OFFICE = {"viewer": "welfare", "ground": "on duty"}
Act = Callable[[Hub], Awaitable[None]]


def in_hub(folder: Path, act: Act, *, people: bool = True) -> None:
    """Run act in a hub with a home whose person, p-001, has consented."""

    async def main() -> None:
        path = folder / "hub.toml"
        if not path.exists():
            configuration.init(folder, {("uplink", "port"): 1})
            home = configuration.Device("home-1", SECRET, "home", "甲野家", "", True)
            configuration.enroll(folder / "devices.toml", home)
            if people:
                row = {"pseudonym": "p-001", "consent": "2026-01-01", "devices": ["home-1"]}
                register.add(folder / "people.toml", row, ["tel:1", "tel:2"], ["home-1"])
        hub = Hub(configuration.load(path), HandClock())
        try:
            hub.tick()
            await act(hub)
        finally:
            hub.watch.save()
            await hub.store.wait_idle()
            await hub.room.close()
            await hub.alerts.close()
            await hub.store.close()

    asyncio.run(main())


async def says(
    hub: Hub, channel: str, lane: int, *values: int, key: bytes = b"", late_us: int = 0
) -> None:
    """Let home-1 send an encrypted batch that ended then, a second between two values."""
    clock = hub.clock
    keys = DeviceKeys("home-1", SECRET)
    at_us = clock.now_us()
    hub._exchanged("home-1", 1, (at_us, at_us, at_us))
    at_us -= late_us
    times = [at_us - (len(values) - 1 - at) * S for at in range(len(values))]
    series = Series(channel, "1", (0, 1), times[0], spacing_ns=0, values=list(values),
                    times_us=times)  # fmt: skip
    index = hub.store.frames_stored()
    payload = encode_batch((1, index, lane, times[0]), [series],
                           (key or keys.seal_key, bytes(16)))  # fmt: skip
    hub.store.append("home-1", (1, index, lane), keys.up.seal(payload))
    hub.store.group.readings.append(("home-1", lane, payload))
    hub.pulse.frames("home-1", 1)
    hub.store.flush()
    await hub.store.wait_idle()


async def ask(hub: Hub, do: str, **fields: Any) -> Any:
    """Ask as a command does, without the socket."""
    answer = hub.admin.answer(json.dumps({"do": do, **fields}).encode(), "person:taro")
    done = answer.get("done")
    if isinstance(done, Awaitable):
        answer = await hub.admin._awaited(done)
    return answer


def entries(hub: Hub) -> list[tuple[Any, ...]]:
    """Return (actor, command, what, after) of the audit log as it is on the disk."""
    with sqlite3.connect(hub.store.path) as db:
        rows = [one.fields() for _, one in ledger.read(db, ledger.AUDIT)]
    return [(one["actor"], one["command"], one["what"], one["after"]) for one in rows]


def set_mode(hub: Hub, mode: int, drill: bool = False) -> None:
    if drill:
        hub.watch.start_drill(mode, "test", ("訓練", "drill"))
    else:
        hub.watch.set_mode(mode, False, "test", "test")


def test_a_pressed_button_is_a_case_with_a_contact_and_no_word_of_it_is_public(
    tmp_path: Path,
) -> None:
    async def act(hub: Hub) -> None:
        await says(hub, "button", LANE_ALERT, 0, 1)
        hub.tick()
        (case,) = (await ask(hub, "people cases", **OFFICE))["done"]
        assert (case["pseudonym"], case["level"], case["ask"]) == ("p-001", "emergency", "tel:1")
        public = json.dumps(public_snapshot(hub.snapshot()), ensure_ascii=False)
        assert "p-001" not in public and "見守り: 庁舎で確認" in public and "tel:1" not in public
        assert hub.watch.failures == {}
        for step, contact in ((1, "tel:2"), (2, "office / 庁舎"), (3, "office / 庁舎")):
            hub.clock.advance(301 * S)  # type: ignore[attr-defined]
            hub.tick()
            (case,) = (await ask(hub, "people cases", **OFFICE))["done"]
            assert (case["step"], case["ask"]) == (step, contact)

    in_hub(tmp_path, act)


def test_what_is_stored_is_closed_and_a_backup_of_it_names_nobody(tmp_path: Path) -> None:
    async def act(hub: Hub) -> None:
        await says(hub, "motion", LANE_LIFE, 0, 1)
        set_mode(hub, MODE_DISASTER)
        await ask(hub, "safety put", by="shelter", rows=[{"id": "p-001", "state": "needs-help",
                                                          "note": "insulin"}])  # fmt: skip
        hub.watch.save()

    in_hub(tmp_path, act)
    data = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("hub.sqlite*"))
    for word in ("insulin", "motion", "tel:1"):
        assert word.encode() not in data


def test_without_consent_nothing_is_opened_and_with_it_at_once(tmp_path: Path) -> None:
    async def act(hub: Hub) -> None:
        await says(hub, "button", LANE_ALERT, 0, 1)
        await says(hub, "button", LANE_ALERT, 0, 1, key=b"another key16byt")
        assert not hub.ingest.refused  # nobody has tried to open it
        assert (await ask(hub, "people cases", **OFFICE))["done"] == []
        row = {"pseudonym": "p-001", "consent": "2026-01-01", "devices": ["home-1"]}
        register.add(tmp_path / "people.toml", row, [], ["home-1"])
        hub.tick()
        await says(hub, "button", LANE_ALERT, 0, 1)
        assert len((await ask(hub, "people cases", **OFFICE))["done"]) == 1
        (tmp_path / "people.toml").write_text("[[person]\n")  # broken: the people stay
        hub.tick()
        assert list(hub.office.register) == ["p-001"]
        (tmp_path / "people.toml").unlink()
        hub.tick()
        assert not hub.office._rule.opens("home-1")
        await hub.store.wait_idle()
        consents = [one for one in entries(hub) if one[1] == "consent"]
        assert [(one[0], one[2], one[3]) for one in consents] == [
            ("people.toml", "p-001", "consent 2026-01-01, 1 devices"),
            ("people.toml", "p-001", "-"),
        ]

    in_hub(tmp_path, act, people=False)


def test_every_view_is_in_the_ledger_before_it_is_shown_also_a_refused_one(tmp_path: Path) -> None:
    async def act(hub: Hub) -> None:
        await says(hub, "motion", LANE_LIFE, 0, 1)
        shown = (await ask(hub, "people view", pseudonym="p-001", **OFFICE))["done"]
        assert shown["contacts"] == ["tel:1", "tel:2"] and shown["active_age_min"] == 0
        refused = await ask(hub, "people view", pseudonym="p-001", viewer="fire", ground="curious")
        assert "may not" in refused["error"] and refused["remedy"]
        for missing in (
            {"viewer": "welfare"},
            {"viewer": "welfare", "ground": " "},
            {"ground": "x"},
        ):
            assert (
                "missing" in (await ask(hub, "people view", pseudonym="p-001", **missing))["error"]
            )
        assert [one for one in entries(hub) if "view" in one[1]] == [
            ("welfare (person:taro)", "view", "p-001", "on duty"),
            ("fire (person:taro)", "view refused", "p-001", "curious"),
        ]

    in_hub(tmp_path, act)


def test_a_view_that_cannot_be_written_down_is_not_shown(tmp_path: Path) -> None:
    async def act(hub: Hub) -> None:
        def fail(job: Any) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        commit, hub.store._commit = hub.store._commit, fail
        office = hub.office
        office.durable_s_max = 0.2
        answer = await ask(hub, "people view", pseudonym="p-001", **OFFICE)
        assert "nothing is shown" in answer["error"]
        hub.store._commit = commit

    in_hub(tmp_path, act)


def test_access_is_widened_in_a_disaster_only_and_ends_by_itself(tmp_path: Path) -> None:
    fire = {"viewer": "fire", "ground": "search"}
    widen = {"to": "fire", "by": "mayor", "ground": "quake", "hours": 2}

    async def act(hub: Hub) -> None:
        assert "watch or disaster" in (await ask(hub, "people widen", **widen))["error"]
        set_mode(hub, MODE_DISASTER, drill=True)
        assert "not in a drill" in (await ask(hub, "people widen", **widen))["error"]
        set_mode(hub, MODE_WATCH)
        assert (await ask(hub, "people widen", **widen))["done"] == {"to": "fire", "hours": 2}
        assert "done" in await ask(hub, "people cases", **fire)
        hub.clock.set_to(hub.clock.utc_us() - 10**13)  # type: ignore[attr-defined]
        hub.clock.advance(7199 * S)  # type: ignore[attr-defined]
        assert "done" in await ask(hub, "people cases", **fire)
        hub.clock.advance(2 * S)  # type: ignore[attr-defined]
        assert "error" in await ask(hub, "people cases", **fire)
        hub.tick()
        await hub.store.wait_idle()
        assert [one[:3] for one in entries(hub) if one[1].startswith("access")] == [
            ("mayor (person:taro)", "access widened", "fire"),
            ("hub", "access ends", "fire: quake"),
        ]

    in_hub(tmp_path, act)


def test_a_grant_outlives_a_restart_with_the_time_that_was_left(tmp_path: Path) -> None:
    async def first(hub: Hub) -> None:
        set_mode(hub, MODE_DISASTER)
        await ask(hub, "people widen", to="fire", by="mayor", ground="quake", hours=2)
        hub.clock.advance(3600 * S)  # type: ignore[attr-defined]
        hub.tick()

    async def second(hub: Hub) -> None:
        assert "done" in await ask(hub, "people cases", viewer="fire", ground="search")
        hub.clock.advance(3601 * S)  # type: ignore[attr-defined]
        assert "error" in await ask(hub, "people cases", viewer="fire", ground="search")

    in_hub(tmp_path, first)
    in_hub(tmp_path, second)


def test_the_safety_list_of_a_disaster_and_that_of_a_drill_never_mix(tmp_path: Path) -> None:
    rows = [
        {"id": "p-001", "state": "safe"},
        {"id": "house-7", "state": "needs-help", "people": 4},
    ]

    async def act(hub: Hub) -> None:
        assert "normal" in (await ask(hub, "safety list", **OFFICE))["error"]
        set_mode(hub, MODE_DISASTER, drill=True)
        done = (await ask(hub, "safety put", by="shelter", rows=rows))["done"]
        assert done["drill"] and done["counts"] == {"needs-help": 4, "unknown": 0, "safe": 1}
        set_mode(hub, MODE_DISASTER)  # it has become real: all begin as unknown
        found = (await ask(hub, "safety list", **OFFICE))["done"]
        assert not found["drill"] and [one["state"] for one in found["rows"]] == ["unknown"]
        # What comes before a wrong row is entered, kept and in the ledger.
        two = [rows[0], {"id": "x", "state": "fine"}]
        wrong = await ask(hub, "safety put", by="shelter", rows=two)
        assert "cannot be entered" in wrong["error"] and "before it" in wrong["remedy"]
        assert "not normal" in (await ask(hub, "safety close", by="office"))["error"]

    async def second(hub: Hub) -> None:
        assert not hub.office.lists[True].rows
        set_mode(hub, MODE_NORMAL)
        found = (await ask(hub, "safety list", **OFFICE))["done"]
        assert [(one["id"], one["state"], one["by"]) for one in found["rows"]] == [
            ("p-001", "safe", "shelter")]  # fmt: skip
        assert (await ask(hub, "safety close", by="office"))["done"] == {"closed": 1}
        puts = [one for one in entries(hub) if one[1] == "safety put"]
        assert [(one[2], one[3]) for one in puts] == [
            ("safety (drill): p-001", "safe"), ("safety (drill): house-7", "needs-help"),
            ("safety: p-001", "safe")]  # fmt: skip

    async def third(hub: Hub) -> None:
        assert not hub.office.lists[False].rows

    in_hub(tmp_path, act)
    in_hub(tmp_path, second)
    in_hub(tmp_path, third)


def test_a_personal_part_that_does_not_open_is_refused_and_counted(tmp_path: Path) -> None:
    async def act(hub: Hub) -> None:
        await says(hub, "button", LANE_ALERT, 0, 1, key=b"another key16byt")
        assert sum(hub.ingest.refused.values()) == 1
        assert (await ask(hub, "people cases", **OFFICE))["done"] == []

    in_hub(tmp_path, act)


def test_an_unseen_button_is_a_case_until_somebody_sees_to_it_also_after_a_restart(
    tmp_path: Path,
) -> None:
    async def first(hub: Hub) -> None:
        await says(hub, "button", LANE_ALERT, 0, 1)
        hub.tick()
        await hub.alerts._write()

    async def second(hub: Hub) -> None:
        for _ in range(48):
            hub.clock.advance(1800 * S)  # type: ignore[attr-defined]
            hub.tick()
        (case,) = (await ask(hub, "people cases", **OFFICE))["done"]
        assert (case["pseudonym"], case["acknowledged_by"]) == ("p-001", "")

    in_hub(tmp_path, first)
    in_hub(tmp_path, second)


def test_a_button_pressed_while_the_line_was_cut_is_a_case(tmp_path: Path) -> None:
    async def act(hub: Hub) -> None:
        hub.clock.advance(7200 * S)  # type: ignore[attr-defined]
        hub.tick()
        await says(hub, "button", LANE_ALERT, 0, 1, late_us=4200 * S)
        (case,) = (await ask(hub, "people cases", **OFFICE))["done"]
        assert "70 min ago" in case["text_en"]

    in_hub(tmp_path, act)


def test_who_was_let_in_is_out_when_the_mode_is_normal(tmp_path: Path) -> None:
    async def act(hub: Hub) -> None:
        set_mode(hub, MODE_DISASTER)
        await ask(hub, "people widen", to="fire", by="mayor", ground="quake", hours=2)
        set_mode(hub, MODE_NORMAL)
        hub.tick()
        assert "error" in await ask(hub, "people cases", viewer="fire", ground="search")

    in_hub(tmp_path, act)


def test_the_hub_writes_the_signs_of_life_and_the_room_knows_what_is_old(tmp_path: Path) -> None:
    async def act(hub: Hub) -> None:
        await says(hub, "motion", LANE_LIFE, 0, 1)
        vitals = hub.watch.vitals
        assert vitals.silent_us("home-1", hub.clock.now_us()) == 0
        vitals._heard["home-1"].usual_us = S
        set_mode(hub, MODE_WATCH)
        assert vitals._heard["home-1"].usual_us == 0  # another mode, another pace
        fields = {"device": "home-1", "boot": 1, "first": 5, "next": 5, "lane": LANE_LIFE,
                  "reason": GAP_SENSOR_FAULT, "channel": "motion", "from_us": 0,
                  "until_us": 1}  # fmt: skip
        hub.ingest.on_gap(encode_record(KIND_GAP, (1, 5, LANE_LIFE, 0), fields))
        assert list(vitals.sensor_faults["home-1"]) == ["motion"]
        assert hub.room.personal == {"home-1"} and hub.room.old() == hub.office.old()
        hub.tick()
        assert hub.room.old.__self__ is hub.office  # type: ignore[attr-defined]

    in_hub(tmp_path, act)
