"""The metrics are what the status says, in the form that Prometheus reads."""

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text

from hub import config
from hub.commits import BOUNDS_US, STUCK_US, Commits
from hub.console.public import encode, public_snapshot
from hub.main import Hub
from hub.metrics import CHANNEL_ROWS, DEVICE_ROWS, ROWS, UPLINK_ROWS, exposed
from hub.store import Store
from tests.hub.hand_clock import HandClock, S
from tests.hub.hub_process import running_hub

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
# Numbers of the status that are no metric of their own: parts of others, or another word for one.
ELSEWHERE = {"store.frames", "store.duplicates", "store.commit.count", "store.commit.sum_us"}
UPLINK_ELSEWHERE = {"stored"}  # live and backlog
DEVICE_ELSEWHERE = {"personal"}
# A metric's unit is a base one and is its last word but `_total`.
UNITS = re.compile(r"_(milli|micro|kilo|mega)?(ms|us|kib|mib|hours|minutes|percent)\b")


async def made(folder: Path, *, personal: bool = False) -> dict[str, Any]:
    """Return the status of a hub with two devices and an uplink, as the page has it."""
    path = config.init(folder)
    with path.open("a") as file:
        file.write('\n[[uplink]]\nname = "prefecture"\n')
    for name in ("river-1", "home-1"):
        device = config.Device(name, bytes(32), "home", personal=personal and name == "home-1")
        config.enroll(folder / "devices.toml", device)
    clock = HandClock()
    hub = Hub(config.load(path), clock)
    hub.live.frames("river-1", 5, clock.now_us())
    hub.live.frames("home-1", 7, clock.now_us())
    hub.ingest.refused["wrong_key"] = 3
    clock.advance(2 * S)
    await hub.store.wait_idle()
    snapshot = public_snapshot(hub.snapshot())
    await hub.store.close()
    snapshot["console"] = {"clients": 2}
    state: dict[str, Any] = json.loads(encode(snapshot))
    return state


def samples(state: dict[str, Any]) -> dict[str, dict[tuple[str, ...], float]]:
    """Return name -> label values -> value, as the official parser reads them."""
    body, media_type = exposed(state, "text/plain")
    assert media_type.startswith("text/plain")
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in parse_text(body.decode()):
        assert family.documentation.endswith("."), family.name
        for sample in family.samples:
            one = found.setdefault(sample.name, {})
            assert tuple(sample.labels.values()) not in one, sample
            one[tuple(sample.labels.values())] = sample.value
    return found


def numbers(thing: Any, place: str = "") -> Iterator[str]:
    """Yield the places of all numbers in nested tables."""
    for key, value in thing.items():
        at = f"{place}.{key}" if place else key
        if isinstance(value, dict):
            yield from numbers(value, at)
        elif isinstance(value, (int, float)):
            yield at


async def test_values_are_those_of_the_status_in_base_units(tmp_path: Path) -> None:
    found = samples(await made(tmp_path))
    assert found["hinomi_device_received_frames_total"] == {("river-1",): 5, ("home-1",): 7}
    assert found["hinomi_device_last_frame_age_seconds"]["river-1",] == 2
    assert found["hinomi_ingest_refusals_total"] == {("wrong_key",): 3}
    assert found["hinomi_uplink_up"] == {("platform",): 0, ("prefecture",): 0}
    assert found["hinomi_mode"] == {("normal",): 1, ("watch",): 0, ("disaster",): 0}
    assert found["hinomi_hub_utc_quality"]["unsynchronised",] == 1
    assert found["hinomi_store_limit_bytes"][()] == 8192 << 20
    assert found["hinomi_store_commit_seconds_bucket"]["+Inf",] >= 1
    assert found["hinomi_hub_info"] and found["hinomi_console_clients"][()] == 2


async def test_every_number_of_the_status_is_a_metric(tmp_path: Path) -> None:
    state = await made(tmp_path)
    tables = {key: state[key] for key in ("hub", "mode", "ingest", "store", "delivery")}
    channel = set(numbers(state["delivery"]["channels"][0]))
    assert channel == {row.place for row in CHANNEL_ROWS} - {"delivered_utc_us"}  # none yet
    del tables["ingest"]["refused"]
    missing = set(numbers(tables)) - {row.place for row in ROWS} - ELSEWHERE
    assert missing == set(), "give each a row in hub.metrics"
    uplink = set(numbers(state["uplinks"][0]))
    assert uplink - {row.place for row in UPLINK_ROWS} <= UPLINK_ELSEWHERE
    device = set(numbers(state["devices"][0]))
    assert device - {row.place for row in DEVICE_ROWS} <= DEVICE_ELSEWHERE


async def test_safe_mode_and_a_rollout_that_stopped_are_named(tmp_path: Path) -> None:
    state = await made(tmp_path)
    assert "hinomi_update_stopped" not in samples(state)
    state["update"] = {"stage": 2, "is_stopped": True, "is_frozen": False, "counts": {"failed": 1}}
    state["devices"][0]["safe_mode"] = True
    found = samples(state)
    assert found["hinomi_device_safe_mode"] == {("river-1",): 1, ("home-1",): 0}
    assert found["hinomi_devices"][("offline",)] == 2
    assert found["hinomi_update_stopped"][()] == 1 == found["hinomi_update_devices"][("failed",)]


async def test_nothing_is_told_of_a_person(tmp_path: Path) -> None:
    body, _ = exposed(await made(tmp_path, personal=True), "")
    assert b"river-1" in body and b"home-1" not in body


async def test_the_strict_parser_of_openmetrics_takes_it(tmp_path: Path) -> None:
    body, media_type = exposed(await made(tmp_path), OPENMETRICS)
    assert media_type.startswith("application/openmetrics-text")
    assert len(list(parse_openmetrics(body.decode()))) > 40  # type: ignore[no-untyped-call]


def test_a_running_hub_answers_a_scrape(tmp_path: Path) -> None:
    with running_hub(tmp_path) as hub:
        url = f"http://127.0.0.1:{hub.ports['console']}/metrics"
        request = urllib.request.Request(url, headers={"accept": OPENMETRICS})
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.headers["content-type"].startswith("application/openmetrics-text")
            families = list(parse_openmetrics(answer.read().decode()))  # type: ignore[no-untyped-call]
        state = hub.status()
    values = {sample.name: sample.value for one in families for sample in one.samples}
    assert values["hinomi_store_limit_bytes"] == state["store"]["size_max"]
    assert values["hinomi_hub_boots_total"] == state["hub"]["boot"] == 1


def test_names_have_base_units() -> None:
    for row in (*ROWS, *UPLINK_ROWS, *DEVICE_ROWS, *CHANNEL_ROWS):
        assert re.fullmatch(r"hinomi_[a-z_]+", row.name) and not UNITS.search(row.name)


async def test_commits_are_counted_by_their_time_and_a_stuck_writer_is_seen(
    tmp_path: Path,
) -> None:
    store, clock = Store(tmp_path, 1 << 30), HandClock()
    commits = Commits(store, clock)
    store.on_hand_over.append(lambda: clock.advance(1500))
    store.save_meta("fact", 1)
    await store.wait_idle()
    found = commits.statistics()
    assert found["count"] == 1 and found["sum_us"] == 1500
    assert [count for bound, count in found["at_most_us"]] == [
        int(bound >= 1500) for bound in BOUNDS_US
    ]
    store.on_hand_over[0]()
    clock.advance(STUCK_US)
    assert not commits.is_stuck()
    clock.advance(1)
    assert commits.is_stuck()
    for told in store.on_failure:
        told("the disk is gone")
    assert not commits.is_stuck()
    await store.close()
