"""The desk over real HTTP in front of a whole hub: who may do what, what the ledger says of it."""

from __future__ import annotations

import asyncio
import datetime
import http.client
import ipaddress
import json
import re
import sqlite3
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hub import config as configuration
from hub import ledger, operators
from hub.alerts.handlers import ROWS_MAX
from hub.console.client import fetch
from hub.console.desk import COOKIE
from hub.console.desk_texts import DESK_TEXTS
from hub.console.limits import FORM_SIZE_MAX, LOGINS_WAITING_MAX
from hub.console.public import public_snapshot
from hub.console.server import certificate_of, serve
from hub.console.sessions import MINUTE_US
from hub.main import Hub
from hub.operators import Operator, sealed
from hub.people import register
from hub.rules.finding import EMERGENCY, WARNING, WATCH, Finding
from tests.hub.hand_clock import HandClock

TEMPLATES = Path("hub/console/templates")
PASSWORD = "霧の朝に鐘が鳴る 7"
SEALED = sealed(PASSWORD, (16, 8, 1))  # a real one takes a third of a second
PEOPLE = {
    "佐藤": Operator("佐藤", "operator", "", SEALED),
    "見る": Operator("見る", "viewer", "", SEALED),
    "加藤": Operator("加藤", "watch-over", "welfare", SEALED),
    "客": Operator("客", "watch-over", "", SEALED),
}
PEM = serialization.Encoding.PEM
Values = dict[tuple[str, str], Any]


class Screen:
    """A browser as far as HTTP goes: one cookie, the Origin of the page, the token of its form."""

    def __init__(self, hub: Hub, port: int, scheme: str = "http") -> None:
        self.hub = hub
        self.port = port
        self.scheme = scheme
        self.cookie = ""
        self.token = ""
        self.set_cookie = ""

    async def send(
        self, path: str, fields: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, str]:
        """Return status and body; a form where there are fields. A header of "-" is left out."""
        return await asyncio.to_thread(self._send, path, fields, headers)

    def _send(
        self, path: str, fields: dict[str, str] | None, headers: dict[str, str]
    ) -> tuple[int, str]:
        host = f"127.0.0.1:{self.port}"
        whole = {"host": host, "origin": f"{self.scheme}://{host}", "accept-language": "en",
                 "connection": "close", "cookie": self.cookie,
                 "content-type": "application/x-www-form-urlencoded", **headers}  # fmt: skip
        whole = {name: value for name, value in whole.items() if value != "-"}
        if self.scheme == "https":
            context = ssl._create_unverified_context()
            line: Any = http.client.HTTPSConnection("127.0.0.1", self.port, context=context)
        else:
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        body = None if fields is None else urlencode({"token": self.token, **fields})
        line.request("GET" if fields is None else "POST", path, body, whole)
        answer = line.getresponse()
        text = answer.read().decode()
        line.close()
        self.set_cookie = answer.headers.get("set-cookie", "")
        if self.set_cookie.startswith(COOKIE):
            self.cookie = self.set_cookie.partition(";")[0]
        found = re.search('name="token" value="([^"]+)"', text)
        self.token = found[1] if found else self.token
        return answer.status, text

    async def log_in(self, name: str, password: str = PASSWORD) -> tuple[int, str]:
        """Log in; return status and body of the desk, or of the login that refused."""
        status, text = await self.send("/desk/login", {"name": name, "password": password})
        return await self.send("/desk") if status == 303 else (status, text)

    async def do(self, form: str, **fields: str) -> str:
        """Send a form of the desk; return the page that follows."""
        status, text = await self.send("/desk/do", {"form": form, **fields})
        assert status == 303, text
        path = "/desk/people" if form in ("safety", "ack-case") else "/desk"
        return (await self.send(path))[1]

    def entries(self) -> list[tuple[Any, ...]]:
        """Return (actor, command, what, after) of the ledger as it is on the disk."""
        with sqlite3.connect(self.hub.store.path) as db:
            rows = [one.fields() for _, one in ledger.read(db, ledger.AUDIT)]
        return [(one["actor"], one["command"], one["what"], one["after"]) for one in rows]


Act = Callable[[Screen], Awaitable[None]]


def at_desk(folder: Path, act: Act, values: Values | None = None) -> None:
    """Let act sit at a screen of a hub that runs."""

    async def main() -> None:
        configuration.init(
            folder, {("uplink", "port"): 1, ("console", "port"): 0, **(values or {})}
        )
        home = configuration.Device("home-1", bytes(32), "home", "", "", True)
        configuration.enroll(folder / "devices.toml", home)
        row = {"pseudonym": "p-001", "consent": "2026-01-01", "devices": ["home-1"]}
        register.add(folder / "people.toml", row, ["tel:1"], ["home-1"])
        operators.save(folder / "operators.toml", PEOPLE)
        config = configuration.load(folder / "hub.toml")
        hub, stop = Hub(config, HandClock()), asyncio.Event()
        ready = asyncio.get_running_loop().create_future()
        tls = certificate_of(config)
        serving = asyncio.create_task(
            serve(hub, "127.0.0.1", 0, stop, ready=ready, desk=hub.desk, tls=tls)
        )
        try:
            hub.tick()
            port = await asyncio.wait_for(ready, 5)
            await act(Screen(hub, port, "https" if tls else "http"))
        finally:
            stop.set()
            await asyncio.wait_for(serving, 5)
            await hub.store.wait_idle()
            await hub.room.close()
            await hub.alerts.close()
            await hub.store.close()

    asyncio.run(main())


def raise_alarm(hub: Hub, kind: str = "quake") -> None:
    found = Finding("test", kind, EMERGENCY, 0, "揺れました", "it shook <b>", kind=kind)
    hub.alerts.found(found, False)


def test_who_logs_in_acknowledges_and_it_stands_in_the_ledger_with_the_name(
    tmp_path: Path,
) -> None:
    async def act(screen: Screen) -> None:
        status, text = await screen.send("/desk")
        assert status == 200 and 'name="password"' in text and "it shook" not in text
        raise_alarm(screen.hub)
        status, text = await screen.log_in("佐藤")
        assert status == 200 and "it shook &lt;b&gt;" in text and "Must be acknowledged" in text
        text = await screen.do("ack", event="1", note="見回り中")
        assert "The acknowledgement is recorded." in text and "Acknowledged: 佐藤" in text
        text = await screen.do("ack", event="1")
        assert "needs no acknowledgement" in text
        await screen.hub.store.wait_idle()
        found = [one for one in screen.entries() if one[0] == "person:佐藤@desk"]
        assert [one[1] for one in found] == ["login", "alerts ack", "alerts ack"]
        assert found[1][2].startswith("event 1: 揺れました")
        assert found[1][3] == "acknowledged: 見回り中" and found[0][2:] == (
            "127.0.0.1",
            "operator",
        )

    at_desk(tmp_path, act)


def test_who_saw_the_milder_alert_has_not_acknowledged_the_one_of_now(tmp_path: Path) -> None:
    async def act(screen: Screen) -> None:
        for level in (WARNING, EMERGENCY):
            found = Finding("test", "slope", level, 0, "動いています", "it moves", kind="slope")
            screen.hub.alerts.found(found, False)
        await screen.log_in("佐藤")
        text = await screen.do("ack", event="1", level="warning")
        assert "It has become more severe" in text and 'name="level" value="emergency"' in text
        assert screen.hub.alerts.open_events()[0].needs_acknowledgement
        assert "is recorded" in await screen.do("ack", event="1", level="emergency")

    at_desk(tmp_path, act)


def test_the_cookie_is_the_browsers_alone_and_ends_with_the_session(tmp_path: Path) -> None:
    async def act(screen: Screen) -> None:
        await screen.send("/desk/login", {"name": "佐藤", "password": PASSWORD})
        flags = screen.set_cookie.casefold()
        assert "httponly" in flags and "samesite=strict" in flags and "path=/desk" in flags
        assert "secure" not in flags and "max-age" not in flags
        assert len(screen.cookie) >= len(COOKIE) + 43  # 256 bits
        screen.hub.clock.advance(20 * MINUTE_US)  # type: ignore[attr-defined]
        assert (await screen.send("/desk/state"))[0] == 200  # is no use of the session
        assert (await screen.send("/desk?quiet=1"))[0] == 200
        screen.hub.clock.advance(10 * MINUTE_US)  # type: ignore[attr-defined]
        assert (await screen.send("/desk/state"))[0] == 401
        assert "The session is over" in (await screen.send("/desk"))[1]
        status, text = await screen.log_in("佐藤")
        assert status == 200 and "Log out" in text
        kept = screen.cookie
        assert (await screen.send("/desk/logout", {}))[0] == 303
        screen.cookie = kept
        assert (await screen.send("/desk/state"))[0] == 401

    at_desk(tmp_path, act)


def test_a_session_ends_with_its_operator_and_with_the_old_password(tmp_path: Path) -> None:
    async def act(screen: Screen) -> None:
        await screen.log_in("佐藤")
        changed = {**PEOPLE, "佐藤": replace(PEOPLE["佐藤"], role="viewer")}
        operators.save(tmp_path / "operators.toml", changed)
        assert "Set WATCH" not in (await screen.send("/desk"))[1]  # the role is that of now
        again = sealed(PASSWORD, (16, 8, 1))  # another salt: as another password
        changed["佐藤"] = replace(changed["佐藤"], password=again)
        operators.save(tmp_path / "operators.toml", changed)
        assert (await screen.send("/desk/state"))[0] == 401
        assert (await screen.log_in("佐藤"))[0] == 200
        del changed["佐藤"]
        operators.save(tmp_path / "operators.toml", changed)
        assert (await screen.send("/desk/state"))[0] == 401
        await screen.hub.store.wait_idle()
        told = [one for one in screen.entries() if one[:2] == ("operators.toml", "operator")]
        assert [one[2] for one in told][-3:] == ["佐藤"] * 3 and told[-1][3] == "-"

    at_desk(tmp_path, act)


def test_wrong_passwords_are_counted_bounded_and_end_in_a_lock(tmp_path: Path) -> None:
    async def act(screen: Screen) -> None:
        assert "Wrong name or password" in (await screen.log_in("佐藤", "x"))[1]
        assert "Wrong name or password" in (await screen.log_in("nobody", "x"))[1]
        assert "locked for 10 minutes" in (await screen.log_in("佐藤", "y"))[1]
        status, text = await screen.log_in("佐藤")
        assert status == 429 and "operator unlock" in text  # not even with the right one
        unlocked = await screen.hub.admin.carry_out(
            "operator unlock", {"name": "佐藤"}, "person:x"
        )
        assert unlocked == {"done": {"was_locked": True}}
        assert (await screen.log_in("佐藤"))[0] == 200
        screen.cookie = ""
        assert (await screen.log_in("見る"))[0] == 429  # the sixth try of this minute
        counts = screen.hub.desk.statistics()
        assert counts["wrong"] == 3 and counts["locked"] == 1 and counts["too_many"] == 1
        screen.hub.desk._waiting_count = LOGINS_WAITING_MAX
        screen.hub.clock.advance(MINUTE_US)  # type: ignore[attr-defined]
        assert (await screen.log_in("見る"))[0] == 503
        screen.hub.desk._waiting_count = 0
        await screen.hub.store.wait_idle()
        assert ("person:佐藤@desk", "login locked", "127.0.0.1", "") in screen.entries()
        assert "nobody" not in str(screen.entries())  # it may be a password

    at_desk(tmp_path, act, {("console", "lock_after"): 2, ("console", "tries_per_min"): 5})


def test_a_form_from_elsewhere_does_nothing_and_is_counted(tmp_path: Path) -> None:
    async def act(screen: Screen) -> None:
        raise_alarm(screen.hub)
        await screen.log_in("佐藤")
        form = {"form": "ack", "event": "1"}
        evil = f"evil.example:{screen.port}"
        for headers in ({"origin": "-"}, {"origin": "null"}, {"origin": "http://evil.example"},
                        {"host": evil, "origin": f"http://{evil}"}):  # fmt: skip
            status, text = await screen.send("/desk/do", form, **headers)
            why = "not known as the hub" if "host" in headers else "not sent by this page"
            assert status == 403 and why in text, headers
            status, _ = await screen.send("/desk/login", {"name": "佐藤"}, **headers)
            assert status == 403
        assert (await screen.send("/desk/do", {**form, "token": "x"}))[0] == 403
        assert (await screen.send("/desk/logout", {"token": ""}))[0] == 403
        assert screen.hub.desk.statistics()["forged"] == 10
        assert "not known as the hub" in (await screen.send("/desk", host=evil, cookie="-"))[1]
        (event,) = screen.hub.alerts.open_events()
        assert event.acknowledged_by == ""
        kind = {"content-type": "text/plain"}
        assert (await screen.send("/desk/do", form, **kind))[0] == 415
        assert (await screen.send("/desk/do", {"note": "x" * FORM_SIZE_MAX}))[0] == 413
        assert (await screen.send("/desk/do", {str(n): "" for n in range(40)}))[0] == 400
        assert (await screen.send("/desk/do", {"form": "reboot"}))[0] == 400

    at_desk(tmp_path, act)


def test_each_role_may_what_it_may(tmp_path: Path) -> None:
    async def act(screen: Screen) -> None:
        raise_alarm(screen.hub)
        raise_alarm(screen.hub, "watch-over")
        _, text = await screen.log_in("見る")
        assert "it shook" in text and "<button" in text and "/desk/do" not in text
        for form, fields in (("ack", {"event": "1"}), ("mode", {"mode": "watch"}), ("drill", {}),
                             ("safety", {}), ("ack-case", {"event": "1"})):  # fmt: skip
            status, _ = await screen.send("/desk/do", {"form": form, **fields})
            assert status == 303
            assert "This role may not do that" in (await screen.send("/desk"))[1], form
        screen.cookie = ""
        await screen.log_in("佐藤")
        (personal,) = (one for one in screen.hub.alerts.open_events() if one.kind == "watch-over")
        text = await screen.do("ack", event=str(personal.id))
        assert "Watch-over acknowledges what concerns a person" in text
        status, _ = await screen.send("/desk/people")
        assert status == 303
        assert [one.acknowledged_by for one in screen.hub.alerts.open_events()] == ["", ""]

    at_desk(tmp_path, act)


def test_of_many_alerts_those_that_wait_for_somebody_are_shown(tmp_path: Path) -> None:
    async def act(screen: Screen) -> None:
        for number in range(ROWS_MAX + 5):
            found = Finding("health", f"device-{number}", WARNING, 0, "応答なし", "silent")
            screen.hub.alerts.found(found, False)
        found = Finding("bridge", "b", WATCH, 0, "固有振動数の低下", "lower frequency")
        screen.hub.alerts.found(found, False)
        _, text = await screen.log_in("佐藤")
        assert text.count("data-event=") == ROWS_MAX and "6 more" in text
        assert text.index("lower frequency") < text.index("silent")
        assert "<title>(1) " in text

    at_desk(tmp_path, act)


def test_the_mode_wants_a_reason_and_its_name_typed_and_a_drill_says_so(tmp_path: Path) -> None:
    async def act(screen: Screen) -> None:
        await screen.log_in("佐藤")
        modes = screen.hub.watch.modes
        real = {"mode": "disaster", "reason": "大雨", "hours": "2"}
        assert "word of confirmation" in await screen.do("mode", **real, confirm="watch")
        text = await screen.do("mode", **{**real, "reason": " "}, confirm="災害")
        assert "Please give a reason" in text
        for wrong in (
            {"hours": "nan"},
            {"hours": "1e9"},
            {"mode": "drill"},
            {"reason": "x" * 201},
        ):
            text = await screen.do("mode", **{**real, **wrong}, confirm="災害")
            assert "Please write it again" in text, wrong
        assert modes.name() == "normal"
        assert 'data-drill="false"' in await screen.do("mode", **real, confirm="ＤＩＳＡＳＴＥＲ")
        assert (modes.name(), modes.drill, modes.actor) == ("disaster", False, "person:佐藤@desk")
        drill = {"mode": "watch", "kind": "river", "minutes": "5", "confirm": "訓練"}
        assert "no drill can begin" in await screen.do("drill", **drill)
        await screen.do("mode", mode="normal", reason="解除", confirm="平常")
        assert "word of confirmation" in await screen.do("drill", **{**drill, "confirm": "x"})
        text = await screen.do("drill", **drill)
        assert modes.drill and "訓練 / DRILL" in text and "End the drill" in text
        assert "The drill is over" in await screen.do("drill-end") and not modes.drill
        shown = public_snapshot(screen.hub.snapshot())["mode"]
        assert modes.actor == "person:佐藤@desk" and shown["actor_en"] == "operator"
        assert "佐藤" not in json.dumps(shown, ensure_ascii=False)

    at_desk(tmp_path, act)


def test_people_are_seen_with_a_ground_and_each_view_is_in_the_ledger(tmp_path: Path) -> None:
    async def act(screen: Screen) -> None:
        await screen.log_in("加藤")
        _, text = await screen.send("/desk/people")
        assert "p-001" not in text and "Ground for looking" in text
        await screen.send("/desk/people", {"ground": " "})
        assert "Please give a ground" in (await screen.send("/desk/people"))[1]
        await screen.send("/desk/people", {"ground": "当番"})
        text = (await screen.send("/desk/people"))[1]
        assert "The list begins when the mode is disaster" in text
        screen.hub.watch.set_mode(2, False, "test", "test")
        text = (await screen.send("/desk/people"))[1]
        assert "p-001" in text and "1 of 1 shown" in text
        row = {"id": "p-001", "people": "1", "place": "避難所2", "source": "本人の電話"}
        assert "Please write it again" in await screen.do("safety", **row, state="well")
        text = await screen.do("safety", **row, state="needs-help")
        assert "It is recorded." in text and 'data-state="needs-help"' in text
        await screen.send("/desk/people", {"wanted": "避難所9"})
        assert "0 of 0 shown" in (await screen.send("/desk/people"))[1]
        await screen.send("/desk/people", {"ground": "", "leave": "1"})
        assert "p-001" not in (await screen.send("/desk/people"))[1]
        actor = "person:加藤@desk"
        found = screen.entries()
        assert (f"welfare ({actor})", "view", "all cases", "当番") in found
        assert (f"welfare ({actor})", "view", "safety list", "当番") in found
        by = f"welfare: 本人の電話 ({actor})"
        assert (by, "safety put", "safety: p-001", "needs-help") in found

    at_desk(tmp_path, act, {("people", "viewers"): "welfare"})


def test_what_was_written_for_a_drill_does_not_get_into_the_real_list(tmp_path: Path) -> None:
    async def act(screen: Screen) -> None:
        watch, lists = screen.hub.watch, screen.hub.office.lists
        await screen.log_in("加藤")
        await screen.send("/desk/people", {"ground": "当番"})
        watch.set_mode(2, True, "test", "test")
        row = {"id": "p-001", "people": "1", "state": "needs-help"}
        assert "It is recorded." in await screen.do("safety", **row, drill="true")
        watch.set_mode(2, False, "test", "it is real")  # while somebody writes
        text = await screen.do("safety", **row, drill="true")
        assert "a drill has begun or ended" in text and 'name="drill" value="false"' in text
        assert lists[False].rows["p-001"].state == "unknown"

    at_desk(tmp_path, act, {("people", "viewers"): "welfare"})


def test_an_office_that_may_not_look_sees_nothing_and_that_is_in_the_ledger(
    tmp_path: Path,
) -> None:
    async def act(screen: Screen) -> None:
        screen.hub.watch.set_mode(2, False, "test", "test")
        await screen.log_in("客")
        await screen.send("/desk/people", {"ground": "好奇心"})
        text = (await screen.send("/desk/people"))[1]
        assert "This office may not look" in text and "p-001" not in text
        found = screen.entries()
        assert ("客 (person:客@desk)", "view refused", "safety list", "好奇心") in found

    at_desk(tmp_path, act, {("people", "viewers"): "welfare"})


def test_where_a_password_would_travel_open_nobody_logs_in(tmp_path: Path) -> None:
    async def act(screen: Screen) -> None:
        status, text = await screen.send("/desk")
        assert status == 200 and 'name="password"' not in text and "unencrypted" in text
        assert (await screen.send("/desk/login", {"name": "佐藤", "password": PASSWORD}))[0] == 403
        # What stands before the hub on the same machine says who asks.
        assert screen.hub.desk.statistics()["sessions"] == 0

    at_desk(tmp_path, act, {("console", "login"): "off"})


def test_with_a_certificate_all_is_https_and_the_hubs_own_commands_know_it(
    tmp_path: Path,
) -> None:
    async def act(screen: Screen) -> None:
        assert (await screen.log_in("佐藤"))[0] == 200
        await screen.send("/desk/login", {"name": "佐藤", "password": PASSWORD})
        assert "secure" in screen.set_cookie.casefold()
        config = screen.hub.config
        config.tables["console"]["port"] = screen.port
        status = await asyncio.to_thread(fetch, config, "/api/status", 5)
        assert status["hub"]["id"] == config.id
        files = write_certificate(tmp_path, "other")
        config.tables["console"]["certificate"] = files[0]
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            await asyncio.to_thread(fetch, config, "/api/status", 5)

    certificate, key = write_certificate(tmp_path, "hub")
    at_desk(tmp_path, act, {("console", "certificate"): certificate, ("console", "key"): key})


async def test_a_certificate_of_another_key_is_refused_before_anything_runs(
    tmp_path: Path,
) -> None:
    certificate, _ = write_certificate(tmp_path, "one")
    _, key = write_certificate(tmp_path, "two")
    files = (tmp_path / certificate, tmp_path / key)
    with pytest.raises(OSError, match="no certificate and its key"):
        await serve(None, "127.0.0.1", 0, asyncio.Event(), tls=files)  # type: ignore[arg-type]
    locked = serialization.BestAvailableEncryption(b"x")
    loaded = serialization.load_pem_private_key((tmp_path / "one.key").read_bytes(), None)
    files[1].write_bytes(loaded.private_bytes(PEM, serialization.PrivateFormat.PKCS8, locked))
    with pytest.raises(OSError, match="no certificate and its key"):  # and asks nobody
        await serve(None, "127.0.0.1", 0, asyncio.Event(), tls=files)  # type: ignore[arg-type]


def write_certificate(folder: Path, name: str) -> tuple[str, str]:
    """Write a certificate that signs itself and its key; return the files' names."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("192.0.2.1"))
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / f"{name}.pem").write_bytes(made.public_bytes(PEM))
    (folder / f"{name}.key").write_bytes(private)
    return f"{name}.pem", f"{name}.key"


def test_every_word_of_the_desk_is_there_in_both_languages() -> None:
    assert all(ja and en for ja, en in DESK_TEXTS.values())
    used = set()
    for file in TEMPLATES.glob("*.html"):
        if file.name != "page.html":
            used |= set(re.findall(r"\btext\.(\w+)", file.read_text()))
    assert used - {"replace"} <= set(DESK_TEXTS)
