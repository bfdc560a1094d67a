"""The report in a whole hub: a quake orders it, a real process makes it, the page serves it."""

import asyncio
import http.client
import json
import time
from pathlib import Path
from typing import Any

from hub import config as configuration
from hub.config import Device
from hub.console.server import serve
from hub.main import Hub
from hub.rules.bridge import BridgeRule
from hub.rules.finding import EMERGENCY, Finding
from protocols.vocabulary import MODE_DISASTER
from tests.hub.bridge_parts import S
from tests.hub.hand_clock import HandClock
from tests.hub.report_parts import EVENT_US, ROWS, learned_rule, write_all

LOOKS_S_MAX = 30.0


def hub_of_a_bridge(folder: Path) -> Hub:
    """Return a hub whose three nodes have learned what is normal, at the time of the quake."""
    path = configuration.init(folder, {("uplink", "port"): 1})
    for row in ROWS:
        device = row["device"]
        configuration.enroll(folder / "devices.toml", Device(device, bytes(32), "bridge"))
        configuration.add_table(path, "bridge", row)
    hub = Hub(configuration.load(path), HandClock(EVENT_US))
    rule = next(one for one in hub.watch.rules if isinstance(one, BridgeRule))
    rule.nodes |= learned_rule().nodes
    return hub


def shaking(is_over: bool = False) -> Finding:
    return Finding("quake", "quake", EMERGENCY, MODE_DISASTER, "地震", "Quake", is_over)


async def made(hub: Hub) -> float:
    """Tick until the report is there; return how long that took, in real seconds."""
    since = time.monotonic()
    while not hub.inspections.made_count:
        assert time.monotonic() - since < LOOKS_S_MAX and not hub.inspections.failed_count
        hub.inspections.tick(hub.clock.now_us())
        await asyncio.sleep(0.05)
    return time.monotonic() - since


def get(port: int, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"connection": "close"})
    return connection.getresponse()


def test_a_quake_makes_a_report_that_the_page_shows(tmp_path: Path) -> None:
    async def main() -> None:
        hub = hub_of_a_bridge(tmp_path)
        clock: Any = hub.clock
        write_all(hub.store)
        await hub.store.wait_idle()
        hub.watch.find(shaking())
        clock.advance(60 * S)
        hub.watch.find(shaking(is_over=True))
        hub.inspections.tick(clock.now_us())
        assert hub.inspections.listed() == []
        clock.advance(120 * S)
        assert 60 + 120 + await made(hub) < 300
        state = hub.snapshot()
        (row,) = state["reports"]
        assert row["name_en"] == "Ohashi" and row["grade"] == 2 and row["drill"] is False
        assert "Ohashi" in state["alerts"][-1]["text_en"]
        assert state["mode"]["mode"] == "disaster"  # the report's finding lowers nothing
        await served(hub, row["name"])
        hub.inspections.close()
        await hub.store.wait_idle()
        await hub.room.close()
        await hub.store.close()

    asyncio.run(main())


async def served(hub: Hub, name: str) -> None:
    """Look at the report through the real page."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    page = asyncio.create_task(
        serve(hub, "127.0.0.1", 0, stop, ready=ready, reports=hub.inspections.folder)
    )
    port = await ready
    for file, kind in (("ja.html", "text/html"), ("en.pdf", "application/pdf")):
        reply = await asyncio.to_thread(get, port, f"/reports/{name}/{file}")
        body = await asyncio.to_thread(reply.read)
        assert reply.status == 200 and kind in str(reply.headers["content-type"])
        policy = str(reply.headers["content-security-policy"])
        assert "script" not in policy and "default-src 'none'" in policy
        assert len(body) > 10_000
    (hub.inspections.folder / "notes").mkdir()
    (hub.inspections.folder / "notes" / "ja.html").write_text("nobody's business")
    for bad in ("/reports/notes/ja.html",
                f"/reports/{name}/report.json",
                "/reports/..%2f..%2fhub.secret/ja.html",
                f"/reports/{name}/xx.html", "/reports/20200101-000000-x/ja.html"):  # fmt: skip
        reply = await asyncio.to_thread(get, port, bad)
        assert reply.status == 404, bad
    status = json.loads(await asyncio.to_thread(lambda: get(port, "/api/status").read()))
    assert [one["name"] for one in status["reports"]] == [name]
    stop.set()
    await page


def test_reports_of_an_earlier_run_are_listed_and_what_is_none_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "reports"
    for name in ("20260101-000000-a", "20260102-000000-b", "broken", ".20260103-000000-c.part"):
        (folder / name).mkdir(parents=True)
        summary = {"name": name, "bridge": "a", "name_ja": "a", "name_en": "a", "utc_us": 0,
                   "drill": False, "grade": 0}  # fmt: skip
        (folder / name / "report.json").write_text(json.dumps(summary))
    (folder / "20260101-000000-a" / "report.json").write_text("{half")

    async def main() -> None:
        hub = hub_of_a_bridge(tmp_path)
        assert [one["name"] for one in hub.inspections.listed()] == ["20260102-000000-b"]
        await hub.store.wait_idle()
        await hub.room.close()
        await hub.store.close()

    asyncio.run(main())
