"""The page and the desk in a real Chromium, against real hub processes."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

from hub import ledger, operators
from hub.admin import ask
from hub.operators import Operator, sealed
from tests.hub.hub_process import HubProcess, running_hub, wait_until
from tests.real_parts import REPOSITORY, need

CHROMIUM = need("chromium")
need("uplot")
playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What the browser itself says when the hub is down; the page can neither stop nor hide it.
CUT = "Failed to load resource: net::ERR_"

STALE_AFTER_MS_MAX = 5_000
LIVE = "html[data-link=live]"
STALE = "html[data-link=stale]"


class MadeUpHub:
    """A process that serves the page on one port, to be killed and started again."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, mode: str = "normal") -> None:
        command = [sys.executable, "-m", "tests.hub.moving_source", str(self.port), mode]
        self.process = subprocess.Popen(command, cwd=REPOSITORY)
        deadline_s = time.monotonic() + 15
        while not self.answers():
            assert time.monotonic() < deadline_s and self.process.poll() is None
            time.sleep(0.05)

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.kill(self.process.pid, number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Screen:
    """One page of the browser; notes all that it asks for and all that it complains about."""

    def __init__(self, browser: Browser, **settings: Any) -> None:
        self.page = browser.new_context(**settings).new_page()
        self.hosts: set[str | None] = set()
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))
        self.page.on("console", lambda message: self.note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith(CUT):
            self.complaints.append(text)

    def wait(self, selector: str, timeout_ms: int = 10_000) -> None:
        self.page.wait_for_selector(selector, timeout=timeout_ms, state="attached")

    def until(self, expression: str) -> None:
        """Wait until the expression holds; the driver's own wait needs what the page forbids."""
        deadline_s = time.monotonic() + 10
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline_s, expression
            self.page.wait_for_timeout(50)

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))


@pytest.fixture
def hub() -> Iterator[MadeUpHub]:
    made_up = MadeUpHub()
    try:
        yield made_up
    finally:
        made_up.kill()


@pytest.fixture(scope="module")
def drill() -> Iterator[MadeUpHub]:
    """A made-up hub in a drill, for tests that only look."""
    made_up = MadeUpHub()
    try:
        made_up.start("drill")
        yield made_up
    finally:
        made_up.kill()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A fresh Chromium; Playwright gives it a profile of its own and removes that at the end."""
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS, timeout=60_000
        )
        yield chromium
        chromium.close()


@pytest.fixture(autouse=True)
def closed_screens(browser: Browser) -> Iterator[None]:
    """Close each test's screens, so that none of them goes on asking for its hub."""
    yield
    for context in browser.contexts:
        context.close()


# The drawn pixels that are not transparent: an empty canvas has none.
DRAWN_PIXELS = """() => {
    const canvas = document.querySelector("#chart canvas");
    const context = canvas.getContext("2d");
    const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
    return data.filter((value, index) => index % 4 === 3 && value > 0).length;
}"""


def test_page_shows_mode_devices_and_chart(drill: MadeUpHub, browser: Browser) -> None:
    screen = Screen(browser, locale="ja")
    screen.page.goto(drill.url)
    screen.wait(LIVE)
    screen.wait("#chart canvas")
    screen.until(f"({DRAWN_PIXELS})() > 5000")
    assert screen.text("#mode-word") == "災害" and screen.text("#mode-other") == "DISASTER"
    assert "訓練 / DRILL" in screen.text("#mode")
    assert "震度 5 弱相当の揺れ" in screen.text("#mode-detail")
    assert "自動判定 (地震の揺れ)" in screen.text("#mode-detail")
    assert "未確認の機器 1 台（ほかに不在 2 台）: river-2 (方針: 拒否)" in screen.text("#mode")
    stripes = "getComputedStyle(document.querySelector('#mode')).backgroundImage"
    assert "repeating-linear-gradient" in screen.page.evaluate(stripes)
    assert screen.text("#hub-clock") == "時刻は同期されていません"
    assert screen.page.locator(".device").count() == 12
    assert "水位" in screen.text("#devices") and "千曲川 1 番" in screen.text("#devices")
    assert "11,862" in screen.text("#uplinks") and "切れています" in screen.text("#uplinks")
    assert "約 31 時間で満杯" in screen.text("#store-word")
    assert screen.page.locator("#alerts li").count() == 4
    assert screen.page.locator("tr[data-current=false]").count() == 6, "the silent node's"
    assert "セーフモード 1 台" in screen.text("#devices-summary")
    safe = screen.page.locator(".device[data-safe=true]")
    assert safe.count() == 1 and "▲ セーフモード（センサー停止中）" in safe.inner_text()
    safe.locator("details summary").click()
    for words in ("スロット A", "監視タイマー", "boot 41: sampler: in poll | OSError: 110"):
        assert words in safe.inner_text()
    assert screen.text("#update-title") == "端末の更新"
    assert "0.2.0 · 終了 · 1 / 11 台が完了" in screen.text("#update-panel")
    assert "river-1: went back to" in screen.text("#update-stopped")
    assert "正常" in screen.text(".kind:last-child .device")
    assert screen.page.locator(".kind:last-child .readings").count() == 0, "a home's readings"
    assert screen.hosts == {"127.0.0.1"} and screen.complaints == []


def test_page_marks_itself_stale_when_the_hub_dies_and_recovers_by_itself(
    hub: MadeUpHub, browser: Browser
) -> None:
    hub.start("watch")
    screen = Screen(browser, locale="en")
    screen.page.goto(hub.url)
    screen.wait(LIVE)
    assert screen.page.locator("#hub-clock").is_hidden(), "the clock is synchronised"
    value = screen.page.locator(".readings .value").first
    decoration = "element => getComputedStyle(element).textDecorationLine"
    assert value.evaluate(decoration) == "none"
    hub.kill()
    screen.wait(STALE, STALE_AFTER_MS_MAX)
    assert "No connection since" in screen.text("#stale-bar")
    assert screen.text("#mode-label") == "Last known mode"
    assert value.evaluate(decoration) == "line-through"
    screen.page.wait_for_selector("tr[data-current=true]", state="detached", timeout=2_000)
    hub.start("normal")
    screen.wait(LIVE)
    screen.until("document.getElementById('mode-word').textContent === 'NORMAL'")
    assert screen.text("#stale-bar") == "" and value.evaluate(decoration) == "none"
    screen.until(f"({DRAWN_PIXELS})() > 5000")
    assert screen.hosts == {"127.0.0.1"} and screen.complaints == []


def test_page_marks_itself_stale_when_the_line_only_falls_silent(
    hub: MadeUpHub, browser: Browser
) -> None:
    hub.start()
    screen = Screen(browser, locale="ja")
    screen.page.goto(hub.url)
    screen.wait(LIVE)
    hub.send(signal.SIGSTOP)  # The connection stays open; no error tells the browser anything.
    try:
        screen.wait(STALE, STALE_AFTER_MS_MAX)
        assert "接続が切れています" in screen.text("#stale-bar")
    finally:
        hub.send(signal.SIGCONT)
    screen.wait(LIVE)
    assert screen.complaints == []


def test_a_reading_chosen_with_the_keyboard_is_charted_and_remembered(
    hub: MadeUpHub, browser: Browser
) -> None:
    hub.start()
    screen = Screen(browser, locale="en")
    screen.page.goto(hub.url)
    screen.wait(LIVE)
    screen.page.get_by_role("button", name="Water level").first.focus()
    screen.page.keyboard.press("Enter")
    chosen = "document.getElementById('chart-name').textContent"
    screen.until(f"{chosen} === 'River No. 1 Water level'")
    screen.page.select_option("#chart-window", "3600")
    screen.until("document.querySelector('#chart').ariaLabel.includes('latest')")
    screen.page.goto(hub.url + "?lang=ja")
    screen.until(f"{chosen} === '千曲川 1 番 水位'")
    assert screen.page.input_value("#chart-window") == "3600"
    assert screen.complaints == []


TOO_WIDE = """() => [...document.querySelectorAll("main *")]
    .filter((one) => one.getBoundingClientRect().right > innerWidth)
    .map((one) => one.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("width", [320, 375, 1280])
def test_page_fits_its_screen(
    drill: MadeUpHub, browser: Browser, language: str, width: int
) -> None:
    screen = Screen(browser, locale=language, viewport={"width": width, "height": 800})
    screen.page.goto(drill.url)
    screen.wait(LIVE)
    screen.wait("#chart canvas")
    assert screen.page.evaluate(TOO_WIDE) == []
    overflowing = """() => [...document.querySelectorAll(".panel")]
        .filter((one) => one.scrollWidth > one.clientWidth)
        .map((one) => one.innerText.slice(0, 80))"""
    assert screen.page.evaluate(overflowing) == []
    assert screen.complaints == []


# The operators' desk

PASSWORD = "霧の朝に鐘が鳴る 7"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A whole hub with an operator and a viewer."""
    folder = tmp_path_factory.mktemp("town")
    with running_hub(folder, {("uplink", "port"): 1}) as process:
        password = sealed(PASSWORD, (16, 8, 1))
        known = {name: Operator(name, role, "", password)
                 for name, role in (("佐藤", "operator"), ("見る", "viewer"))}  # fmt: skip
        operators.save(process.folder / "operators.toml", known)
        yield process


def log_in(screen: Screen, town: HubProcess, name: str, password: str = PASSWORD) -> None:
    """Log in by keyboard alone."""
    screen.page.goto(f"http://127.0.0.1:{town.ports['console']}/desk")
    screen.wait("[name=name]:focus")
    screen.page.keyboard.type(name)
    screen.page.keyboard.press("Tab")
    screen.page.keyboard.type(password)
    screen.page.keyboard.press("Enter")


def test_an_operator_logs_in_and_acknowledges_a_drills_alert_that_came_by_itself(
    town: HubProcess, browser: Browser
) -> None:
    screen = Screen(browser, locale="ja", viewport={"width": 360, "height": 740})
    log_in(screen, town, "佐藤", "違う言葉です違う言葉")
    screen.page.wait_for_selector("text=名前かパスワードが違います。")
    refused = "Failed to load resource: the server responded with a status of 403"
    assert [one for one in screen.complaints if not one.startswith(refused)] == []
    screen.complaints.clear()
    log_in(screen, town, "佐藤")
    screen.page.wait_for_selector("text=続いている警報はありません。")
    drill = {"do": "drill start", "mode": "disaster", "minutes": 5, "kind": "quake"}
    ask(town.folder / "data", drill)
    screen.page.wait_for_selector(".mode-drill")  # without a click
    assert "訓練 / DRILL" in screen.text(".mode") and "訓練 / DRILL" in screen.text(".alerts li")
    assert screen.page.evaluate(TOO_WIDE) == []
    screen.page.get_by_role("button", name="第 1 号を確認").focus()
    screen.page.keyboard.press("Enter")
    screen.page.wait_for_selector("text=確認済み: 佐藤")
    rows = [one.fields() for _, one in audit_rows(town)]
    assert ("person:佐藤@desk", "alerts ack") in [(one["actor"], one["command"]) for one in rows]
    screen.page.click("text=訓練を終える")
    screen.page.wait_for_selector(".mode[data-mode=normal][data-drill=false]")
    assert screen.hosts == {"127.0.0.1"} and screen.complaints == []


def test_another_site_sets_no_mode_through_the_browser_of_an_operator(
    town: HubProcess, browser: Browser
) -> None:
    screen = Screen(browser, locale="en")
    log_in(screen, town, "佐藤")
    screen.page.wait_for_selector("text=Set WATCH")
    desk = f"http://127.0.0.1:{town.ports['console']}/desk/do"
    form = f"""<form method="post" action="{desk}"><input name="form" value="mode">
        <input name="mode" value="watch"><input name="reason" value="x">
        <input name="confirm" value="watch"><button>win</button></form>"""
    screen.page.route("http://evil.example/**", lambda route: route.fulfill(
        body=form, content_type="text/html"))  # fmt: skip
    screen.page.goto("http://evil.example/")
    screen.page.click("text=win")
    screen.page.wait_for_selector("text=not sent by this page")
    assert town.status()["mode"]["mode"] == "normal"
    wait_until(lambda: town.status()["console"]["desk"]["forged"] >= 1, "the count")


def test_a_viewer_looks_and_has_nothing_to_press(town: HubProcess, browser: Browser) -> None:
    screen = Screen(browser, locale="en", color_scheme="dark")
    log_in(screen, town, "見る")
    screen.page.wait_for_selector("text=Open alerts and findings")
    assert screen.page.locator("main button, main input, main details").count() == 0
    screen.page.click("text=Log out")
    screen.page.wait_for_selector("input[type=password]")
    assert screen.complaints == []


def audit_rows(town: HubProcess) -> list[tuple[int, ledger.Entry]]:
    with closing(sqlite3.connect(town.folder / "data" / "hub.sqlite")) as db:
        return list(ledger.read(db, ledger.AUDIT))
