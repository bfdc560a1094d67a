"""The page over real HTTP on loopback, with a made-up hub behind it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hub.console import limits
from hub.console.chart import Chart, ChartKey, default_channel, thinned
from hub.console.feed import Feed, FeedFullError
from hub.console.language import choose_language
from hub.console.public import encode, public_device, short
from hub.console.server import serve
from hub.console.texts import TEXTS
from protocols.errors import REASONS
from tests.hub.moving_source import MovingSource


class Reply:
    """An answer of the page, with its whole body."""

    def __init__(self, reply: http.client.HTTPResponse) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.body = reply.read()

    def json(self) -> Any:
        return json.loads(self.body)


class Page:
    """A running page and its client."""

    def __init__(self, port: int, stop: asyncio.Event) -> None:
        self.port = port
        self.stop = stop

    async def get(self, path: str, headers: dict[str, str] | None = None) -> Reply:
        return await asyncio.to_thread(self._get, path, headers or {})

    def _get(self, path: str, headers: dict[str, str]) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"connection": "close", **headers})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    @asynccontextmanager
    async def events(self, query: str = "") -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        writer.write(f"GET /events{query} HTTP/1.1\r\nhost: hub\r\n\r\n".encode())
        try:
            yield read_events(reader)
        finally:
            writer.close()


async def read_events(reader: asyncio.StreamReader) -> AsyncIterator[tuple[str, Any]]:
    """Yield (event, data) of a stream; the framing of chunks falls between the lines."""
    name = ""
    while line := await asyncio.wait_for(reader.readline(), 10):
        if line.startswith(b"event: "):
            name = line[7:].decode().strip()
        elif line.startswith(b"data: "):
            yield name, json.loads(line[6:])


@asynccontextmanager
async def page_of(source: MovingSource) -> AsyncIterator[Page]:
    stop = asyncio.Event()
    ready = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(source, "127.0.0.1", 0, stop, ready=ready))
    try:
        yield Page(await asyncio.wait_for(ready, 5), stop)
    finally:
        stop.set()
        await asyncio.wait_for(serving, 5)


async def test_page_speaks_the_language_asked_for_and_remembers_it() -> None:
    async with page_of(MovingSource()) as page:
        default = await page.get("/")
        english = await page.get("/", {"accept-language": "en-GB,en;q=0.9,ja;q=0.5"})
        chosen = await page.get("/?lang=en")
        kept = await page.get("/", {"cookie": chosen.headers["set-cookie"].partition(";")[0]})
    assert b'<html lang="ja"' in default.body and "現在のモード" in default.body.decode()
    assert b'<html lang="en"' in english.body and english.headers["set-cookie"] is None
    assert b'<html lang="en"' in chosen.body
    assert b'<html lang="en"' in kept.body


async def test_page_loads_nothing_from_outside_and_says_so_to_the_browser() -> None:
    async with page_of(MovingSource()) as page:
        reply = await page.get("/")
        refused = await page.get("/nothing-here")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
    assert b"http://" not in reply.body and b"https://" not in reply.body
    assert refused.status == 404 and refused.headers["content-security-policy"] == policy


async def test_page_carries_no_values_that_could_outlive_their_truth() -> None:
    async with page_of(MovingSource("disaster")) as page:
        body = (await page.get("/")).body
    assert b"bridge-1" not in body and b'data-mode="unknown"' in body


async def test_page_without_the_chart_part_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("hub.console.app.STATIC", tmp_path)
    async with page_of(MovingSource()) as page:
        body = (await page.get("/")).body.decode()
    assert "make assets" in body and "uPlot" not in body


async def test_status_is_the_snapshot_without_what_concerns_a_person() -> None:
    source = MovingSource("drill")
    async with page_of(source) as page:
        status = (await page.get("/api/status")).json()
    assert status["mode"] == {**source.snapshot()["mode"]}
    home = next(device for device in status["devices"] if device["kind"] == "home")
    assert set(home) == {"device", "kind", "name_ja", "name_en", "state", "personal", "readings"}
    assert home["readings"] == []
    bridge = next(device for device in status["devices"] if device["kind"] == "bridge")
    assert len(bridge["readings"]) == 6
    times = [alert["utc_us"] for alert in status["alerts"]]
    assert times == sorted(times, reverse=True)


async def test_a_persons_channel_is_refused_like_one_that_does_not_exist() -> None:
    async with page_of(MovingSource()) as page:
        personal = await page.get("/api/history?device=home-1&channel=motion")
        unknown = await page.get("/api/history?device=home-9&channel=motion")
        async with page.events("?device=home-1&channel=motion") as events:
            chart = await first(events, "chart")
    assert personal.status == unknown.status == 404 and personal.body == unknown.body
    assert chart["t_ms"] == [] and chart["unit"] is None


async def test_events_bring_the_status_each_second_and_a_chart_that_grows() -> None:
    async with page_of(MovingSource()) as page, page.events("?window_s=120") as events:
        status = [await first(events, "status")]
        charts = [await first(events, "chart")]
        for _ in range(2):
            status.append(await first(events, "status"))
            charts.append(await first(events, "chart"))
    times = [one["hub"]["utc_us"] for one in status]
    assert all(0.5e6 < b - a < 2e6 for a, b in pairwise(times))
    assert [chart["whole"] for chart in charts] == [True, False, False]
    assert (charts[0]["device"], charts[0]["channel"]) == ("bridge-1", "acc.x")
    for before, after in pairwise(charts):
        assert after["t_ms"][0] <= before["t_ms"][-1] < after["t_ms"][-1]
        assert len(after["t_ms"]) < 20


async def test_the_hub_is_read_once_a_second_however_many_look() -> None:
    source = MovingSource()
    async with page_of(source) as page:
        before = source.snapshots_count
        for _ in range(30):
            await page.get("/api/status")
        async with page.events() as one, page.events() as two:
            await first(one, "status")
            await first(two, "status")
    assert source.snapshots_count - before <= 3


async def test_a_hub_that_cannot_be_read_is_not_shown_as_current(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.console.feed.STALE_AFTER_S", 0.2)
    source = MovingSource()
    async with page_of(source) as page:
        assert (await page.get("/healthz")).status == 200
        source.fails = True
        await asyncio.sleep(1.3)
        health, status = await page.get("/healthz"), await page.get("/api/status")
        source.fails = False
        await asyncio.sleep(1.1)
        async with page.events() as events:
            counted = (await first(events, "status"))["console"]["failed_ticks"]
    assert (health.status, health.body) == (503, b"stale\n")
    assert status.status == 503 and "log" in status.json()["error"]
    assert counted >= 1


async def test_viewers_beyond_the_limit_are_told_so_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Feed.__init__, "__kwdefaults__", {"clients_max": 2})
    async with page_of(MovingSource()) as page:
        async with page.events() as one, page.events() as two:
            await first(one, "status")
            await first(two, "status")
            full = await page.get("/events")
        await asyncio.sleep(0.1)
        async with page.events() as again:
            await first(again, "status")
            counts = (await first(again, "status"))["console"]
    assert full.status == 503 and "多すぎ" in full.body.decode() and full.headers["retry-after"]
    assert (counts["refused_full"], counts["clients"], counts["clients_max"]) == (1, 1, 2)


async def test_a_viewer_who_does_not_read_is_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hub.console.stream.SEND_TIMEOUT_S", 0.3)
    monkeypatch.setattr("hub.console.server.SEND_TIMEOUT_S", 0.5)
    monkeypatch.setattr("hub.console.feed.TICK_S", 0.01)
    source = MovingSource()
    async with page_of(source) as page:
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", page.port))
        stuck.sendall(b"GET /events HTTP/1.1\r\nhost: hub\r\n\r\n")
        async with page.events() as events:
            async for name, data in events:
                if name == "status" and data["console"]["dropped_slow"]:
                    break
        stuck.close()
    assert data["console"]["clients"] == 1, "the one who reads is not disturbed"


async def test_a_connection_that_asks_for_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.console.server.REQUEST_HEAD_TIMEOUT_S", 0.3)
    async with page_of(MovingSource()) as page:
        reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: ")
        try:
            rest = await asyncio.wait_for(reader.read(), 5)
        except ConnectionResetError:
            rest = b""
        assert rest == b""
        writer.close()


async def test_stopping_ends_every_stream_at_once() -> None:
    async with page_of(MovingSource()) as page, page.events() as events:
        await first(events, "status")
        page.stop.set()
        rest = [name async for name, _ in events]
    assert len(rest) <= 2


@pytest.mark.parametrize(
    "query", ["?window_s=7", "?device=river-1", "?channel=level", f"?device={'x' * 65}&channel=a"]
)
async def test_a_wrong_question_is_refused_with_its_reason(query: str) -> None:
    async with page_of(MovingSource()) as page:
        for path in ("/events", "/api/history"):
            reply = await page.get(path + query)
            assert reply.status == 400 and reply.json()["error"]


async def test_a_taken_port_is_an_error_of_the_caller() -> None:
    async with page_of(MovingSource()) as page:
        with pytest.raises(OSError):
            await serve(MovingSource(), "127.0.0.1", page.port, asyncio.Event())


async def first(events: AsyncIterator[tuple[str, Any]], wanted: str) -> Any:
    """Return the data of the next event of that name."""
    async for name, data in events:
        if name == wanted:
            return data
    raise AssertionError(f"the stream ended without {wanted}")


def test_thinned_keeps_the_extremes_of_each_stretch() -> None:
    points = [(1_000, 1.0, 2.0), (1_900, -3.0, 0.0), (2_000, 5.0, 5.0), (4_100, 7.0, 8.0)]
    assert thinned(points, 1_000) == [(1_000, -3.0, 2.0), (2_000, 5.0, 5.0), (4_000, 7.0, 8.0)]


class WavySource(MovingSource):
    """One channel with a known point each 70 ms up to `now_us`, from one hour before."""

    now_us = 1_800_000_000_000_000

    def history(self, device: str, channel: str, since_utc_us: int) -> list[Any]:
        first = -(-max(since_utc_us, self.now_us - 3_600_000_000) // 70_000)
        steps = range(first, self.now_us // 70_000 + 1)
        return [(step * 70_000, step % 17 - 20.0, step % 13 + 0.5) for step in steps]


@pytest.mark.parametrize("window_s", limits.CHART_WINDOWS_S[:2])
def test_increments_laid_over_the_whole_are_the_whole_read_again(window_s: int) -> None:
    source, key = WavySource(), ChartKey("bridge-1", "acc.x", window_s)
    chart = Chart(key)
    rows = dict(columns(chart.whole(source, "m/s2", source.now_us, 1)))
    for _ in range(5):
        source.now_us += 1_015_000
        chart.advance(source, "m/s2", source.now_us)
        rows.update(columns(chart.increment))
        again = dict(columns(Chart(key).whole(source, "m/s2", source.now_us, 1)))
        assert len(columns(chart.increment)) < 10 < len(again) <= limits.CHART_POINTS + 1
        # The oldest stretch slides out of the window, so that only part of it is read again.
        newer = sorted(again)[1:]
        assert {t_ms: rows.get(t_ms) for t_ms in newer} == {t_ms: again[t_ms] for t_ms in newer}


def columns(document: bytes) -> list[tuple[int, tuple[float, float]]]:
    """Return a chart's rows as (t_ms, (min, max))."""
    chart = json.loads(document)
    return list(zip(chart["t_ms"], zip(chart["min"], chart["max"], strict=True), strict=True))


def test_a_chart_follows_a_hub_clock_that_was_set_back() -> None:
    source = MovingSource()
    now_us = source.started_utc_us + 900_000_000
    chart = Chart(ChartKey("river-1", "level", 120))
    chart.advance(source, "m", now_us)
    chart.advance(source, "m", now_us - 600_000_000)
    assert len(columns(chart.increment)) > 0


def test_the_first_chart_is_a_bridge_then_a_river() -> None:
    channels = [("a", "tilt.x", "deg"), ("r", "level", "m"), ("b", "acc.x", "m/s2")]
    assert default_channel({"a": "slope", "r": "river", "b": "bridge"}, channels) == ("b", "acc.x")
    assert default_channel({"a": "slope", "r": "river"}, channels) == ("r", "level")
    assert default_channel({}, channels) is None


def test_a_device_that_does_not_say_whether_it_is_personal_is() -> None:
    device = {"device": "x", "kind": "home", "state": "online", "readings": [{"channel": "door"}]}
    assert public_device(device)["readings"] == []


def test_numbers_that_json_lacks_become_no_value() -> None:
    assert short(float("nan")) is None and short(float("inf")) is None and short(None) is None
    assert encode({"value": short(1.23456789)}) == b'{"value":1.23457}'


def test_feed_counts_those_it_has_no_place_for() -> None:
    feed = Feed(MovingSource(), clients_max=1)
    with feed.client(), pytest.raises(FeedFullError), feed.client():
        pass
    assert feed.statistics()["refused_full"] == 1 and feed.statistics()["clients"] == 0


@pytest.mark.parametrize(
    ("query", "cookie", "accept", "language"),
    [
        (None, None, "", "ja"),
        (None, None, "fr, de;q=0.5", "ja"),
        (None, None, "fr, en;q=0.5", "en"),
        (None, None, "ja;q=0.3, en-US;q=0.4", "en"),
        (None, None, "en;q=0, ja;q=0.1", "ja"),
        (None, None, "en;q=x;;,=,", "ja"),
        (None, "en", "ja", "en"),
        ("ja", "en", "en", "ja"),
        ("<b>", "??", "en", "en"),
    ],
)
def test_language(query: str | None, cookie: str | None, accept: str, language: str) -> None:
    assert choose_language(query, cookie, accept) == language


def test_every_text_has_both_languages_and_the_same_places() -> None:
    for key, (japanese, english) in TEXTS.items():
        assert japanese and english, key
        assert japanese.count("{") == english.count("{"), key


def test_every_reason_of_a_refusal_and_every_span_has_its_words() -> None:
    assert {f"refused_{reason}" for reason in REASONS} <= set(TEXTS)
    assert {f"window_{window_s}" for window_s in limits.CHART_WINDOWS_S} <= set(TEXTS)
