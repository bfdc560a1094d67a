"""What a running hub writes into its ledger."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import config as configuration
from hub import ledger
from hub.clock import HostClock
from hub.database import connect_to_read
from hub.main import Hub
from hub.sender import HubSender
from protocols.records import decode_record
from protocols.vocabulary import KIND_GAP, KIND_NOTICE, LANE_STATE


class HandClock(HostClock):
    """Stands where it is put."""

    def __init__(self) -> None:
        self.at_us = 1_000_000

    def now_us(self) -> int:
        """Return the monotonic time."""
        return self.at_us

    def utc_us(self) -> int:
        """Return UTC."""
        return self.at_us + 1_700_000_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The hub.toml of a hub with one device and no uplink."""
    made = configuration.init(tmp_path)
    text = made.read_text()
    made.write_text(text[: text.index("[[uplink]]")])
    device = configuration.Device("river-1", b"r" * 32, "river")
    configuration.enroll(tmp_path / "devices.toml", device)
    yield made


def entries(path: Path, kind: str) -> list[dict[str, int | str]]:
    """Return the fields of all entries of a kind, from a chain that holds."""
    data = path.parent / "data"
    db = connect_to_read(data / "hub.sqlite")
    head = ledger.read_head_file(data)
    assert ledger.verify(db) == head
    found = [entry.fields() for _, entry in ledger.read(db, kind)]
    db.close()
    return found


async def start_and_stop(path: Path) -> None:
    """Run a hub for a moment."""
    await Hub(configuration.load(path), HandClock()).store.close()


def change(path: Path) -> None:
    """Change a setting, a device and the hub's secret."""
    path.write_text(path.read_text().replace("size_max_mib = 8192", "size_max_mib = 4096"))
    device = configuration.Device("home-1", b"h" * 32, "home")
    configuration.enroll(path.parent / "devices.toml", device)
    (path.parent / "hub.secret").write_text("ab" * 32)


async def test_each_changed_setting_and_device_is_an_entry_and_no_secret_is(path: Path) -> None:
    await start_and_stop(path)
    await start_and_stop(path)
    assert [row["what"] for row in entries(path, "audit")] == ["first start"]
    change(path)
    await start_and_stop(path)
    found = {row["what"]: (row["before"], row["after"]) for row in entries(path, "audit")}
    assert found["store.size_max_mib"] == ("8192", "4096")
    assert found["device.home-1.kind"] == ("-", "home")
    before, after = found["hub.secret"]
    assert before != after
    assert not any(row["what"] == "device.river-1.kind" for row in entries(path, "audit"))
    stored = b"".join(one.read_bytes() for one in (path.parent / "data").iterdir())
    for secret in ("ab" * 32, (b"h" * 32).hex()):
        assert secret.encode() not in stored and bytes.fromhex(secret) not in stored


async def test_a_change_of_mode_says_who_why_and_from_what(path: Path) -> None:
    hub = Hub(configuration.load(path), HandClock())
    hub.watch.set_mode(2, True, "operator", "drill of March")
    hub.watch.set_mode(0, False, "operator", "over")
    await hub.store.close()
    rows = [row for row in entries(path, "audit") if row["command"] == "mode"]
    assert [(row["actor"], row["before"], row["after"]) for row in rows] == [
        ("operator", "normal", "disaster drill"),
        ("operator", "disaster drill", "normal"),
    ]
    assert rows[0]["what"] == "mode: drill of March"


async def test_a_gap_that_a_device_names_is_an_entry(path: Path) -> None:
    hub = Hub(configuration.load(path), HandClock())
    device = HubSender("river-1", b"r" * 32, hub.store)  # seals as a device would
    fields = {"device": "river-1", "boot": 3, "first": 10, "next": 20, "lane": 3, "reason": 1,
              "channel": "", "from_us": 0, "until_us": 0}  # fmt: skip
    device.record(KIND_GAP, LANE_STATE, 5, fields)
    payload = device.keys.up.open(hub.store.group.own[-1][2])
    hub.audit.device_gap(payload)
    hub.audit.device_gap(payload[:-1])
    await hub.store.close()
    assert entries(path, "gap") == [
        {"device": "river-1", "boot": 3, "first": 10, "next": 20, "lane": 3, "reason": 1,
         "detail": ""}
    ]  # fmt: skip


async def test_the_platform_is_told_the_head_when_it_has_changed(path: Path) -> None:
    clock = HandClock()
    hub = Hub(configuration.load(path), clock)
    await hub.store.wait_idle()

    def heads() -> list[str]:
        hub.tick()
        payloads = [hub.sender.keys.up.open(frame) for _, _, frame in hub.store.group.own]
        records = [decode_record(payload) for payload in payloads]
        return [one[-1]["text_en"] for one in records
                if one[0] == KIND_NOTICE and one[-1]["kind"] == "ledger"]  # fmt: skip

    first = heads()
    assert first == [f"head of the ledger {ledger.read_head_file(hub.store.path.parent)}"]
    await hub.store.wait_idle()
    clock.at_us += 700_000_000
    assert heads() == []
    hub.watch.set_mode(1, False, "operator", "test")
    await hub.store.wait_idle()
    clock.at_us += 700_000_000
    assert heads() != first and len(heads()) == 1
    await hub.store.close()
