"""Administration never deletes what waits: older stores, other programs, changed settings.

fixtures/store_v1.sqlite.xz: a store that the first version of the program wrote: 10,000 frames of
two devices in two lanes, of which the uplink `platform` has 80.
"""

import lzma
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hub.config import ROWS
from hub.database import SCHEMA_VERSION, WRITABLE_FROM, StoreError, connect
from hub.identity import identity_of
from hub.main import Hub
from hub.relay.queue import RelayQueue
from hub.remains import TABLES, authentic
from hub.store import Store
from protocols.framing import Splitter
from protocols.vocabulary import LANE_LIFE, LANE_STATE, LANES
from tests.hub import test_keeping as keeping
from tests.hub.damage import LARGE

FIXTURE = Path(__file__).parent / "fixtures" / "store_v1.sqlite.xz"
QUEUED = 10_000


@pytest.fixture(scope="module")
def version_1() -> bytes:
    """The file of version 1."""
    return lzma.decompress(FIXTURE.read_bytes())


@pytest.fixture
def data(tmp_path: Path, version_1: bytes) -> Path:
    """A data folder with a store of version 1."""
    folder = tmp_path / "hub" / "data"
    folder.mkdir(parents=True)
    (folder / "hub.sqlite").write_bytes(version_1)
    return folder


def names_in(folder: Path) -> list[str]:
    """Return the names of what is in a folder."""
    return [path.name for path in folder.iterdir()]


async def frames_of(store: Store) -> set[bytes]:
    """Return all frames."""
    found: set[bytes] = set()
    for lane in LANES:
        at = 0
        while chunk := await store.read(lane, at, store.following[lane], LARGE):
            found.update(Splitter().feed(chunk[2]))
            at = chunk[0] + chunk[1]
    return found


async def test_a_store_of_version_1_goes_on_with_all_that_is_queued(data: Path) -> None:
    store = Store(data, LARGE)
    assert store.damage == "" and not store.is_salvaging
    frames = await frames_of(store)
    assert len(frames) == QUEUED
    for frame in frames:
        assert not store.append(*identity_of(frame), frame)  # it knows what was accepted
    queue = RelayQueue(store.load_cursor("platform"))
    counts = queue.counts(store.following)
    assert (counts["delivered"], counts["backlog"]) == (80, QUEUED - 80)
    assert (store.meta["boot"], store.meta["mode"]) == (7, 1)
    await store.close()
    with closing(connect(data / "hub.sqlite")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (WRITABLE_FROM,)
        for table in TABLES:
            for row in db.execute(f"SELECT * FROM {table}"):
                assert authentic(table, row) is not None, table


async def test_the_file_of_version_1_is_kept_for_a_rollback(data: Path, version_1: bytes) -> None:
    await Store(data, LARGE).close()
    copy = data / "hub.sqlite.schema1"
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT sum(count) FROM chunk").fetchone() == (QUEUED,)
    await Store(data, LARGE).close()
    assert [name for name in names_in(data) if ".schema" in name] == [copy.name]


async def test_a_migration_that_is_cut_off_leaves_version_1(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub import database

    whole = database._schema

    def broken(number: int) -> str:
        return whole(number) + "SELECT no_such_function();"

    monkeypatch.setattr(database, "_schema", broken)
    with pytest.raises(StoreError, match="no_such_function"):
        connect(data / "hub.sqlite")
    monkeypatch.setattr(database, "_schema", whole)
    with closing(sqlite3.connect(data / "hub.sqlite")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT sum(count) FROM chunk").fetchone() == (QUEUED,)
    store = Store(data, LARGE)
    assert len(await frames_of(store)) == QUEUED
    await store.close()


async def test_an_older_program_goes_on_with_a_newer_file_that_only_has_more(data: Path) -> None:
    await Store(data, LARGE).close()
    with closing(connect(data / "hub.sqlite")) as db:
        db.execute("CREATE TABLE of_the_future (what)")
        db.execute("INSERT INTO of_the_future VALUES ('kept')")
        db.execute(
            "UPDATE meta SET value = ?1, crc = row_crc('meta', 'schema', ?1) WHERE key = 'schema'",
            (SCHEMA_VERSION + 1,),
        )
    store = Store(data, LARGE)
    assert len(await frames_of(store)) == QUEUED
    await store.close()
    with closing(connect(data / "hub.sqlite")) as db:
        assert db.execute("SELECT what FROM of_the_future").fetchone() == ("kept",)
        assert db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == (
            SCHEMA_VERSION + 1,
        )


async def test_an_older_program_refuses_a_newer_file_it_may_not_write(data: Path) -> None:
    await Store(data, LARGE).close()
    with closing(connect(data / "hub.sqlite")) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = (data / "hub.sqlite").read_bytes()
    with pytest.raises(StoreError, match=f"of version {SCHEMA_VERSION + 1}.*nothing was changed"):
        Store(data, LARGE)
    assert (data / "hub.sqlite").read_bytes() == before
    assert not [name for name in names_in(data) if name.startswith("quarantine")]


def other_value(row: Any) -> Any:
    """Return another value that a setting may have."""
    if row.choices:
        return next(one for one in row.choices if one != row.default)
    if isinstance(row.default, bool):
        return not row.default
    if isinstance(row.default, int | float):
        tries = (row.default + 1, row.default - 1, row.default + 0.01)
        return next(one for one in tries if row.fits(one))
    return row.default


# What names the hub, its files or its platform is no setting that one changes at will.
NAMES = {("hub", "id"), ("hub", "data"), ("hub", "devices"), ("uplink", "name")}


def totals(hub: Hub) -> dict[str, int]:
    """Return the counts of the first uplink, without those of time."""
    counts = hub.uplinks[0].queue.counts(hub.store.following)
    return {name: counts[name] for name in ("delivered", "evicted", "live", "backlog")}


async def test_no_changed_setting_costs_a_frame(data: Path) -> None:
    config = keeping.make_hub(data.parent)
    first = Hub(config)
    before = totals(first)
    assert before["backlog"] >= QUEUED - 80
    await first.store.close()
    tables = {name: dict(table) if isinstance(table, dict) else table
              for name, table in config.tables.items()}  # fmt: skip
    uplink = dict(config.uplinks[0])
    for row in ROWS:
        if (row.table, row.name) in NAMES or row.default is None:
            continue
        if row.table == "uplink":
            uplink[row.name] = other_value(row)
        elif isinstance(tables.get(row.table), dict):
            tables[row.table][row.name] = other_value(row)
    for size_max_mib in (64, 1048576):
        tables["store"]["size_max_mib"] = size_max_mib
        changed = type(config)(config.folder, tables, (uplink,), config.devices, config.secret)
        hub = Hub(changed)
        after = totals(hub)
        # Each start adds what the hub itself says.
        assert after["backlog"] + after["live"] >= before["backlog"]
        assert after["delivered"] == before["delivered"] and after["evicted"] == 0
        assert await frames_of(hub.store) > set()
        await hub.store.close()


@pytest.mark.parametrize("names", [("renamed",), ("platform", "added"), ("added", "platform"), ()])
async def test_uplinks_that_come_and_go_cost_no_frame(data: Path, names: tuple[str, ...]) -> None:
    """A removed uplink's cursor is kept; an added one begins with the oldest frame kept."""
    config = keeping.make_hub(data.parent)
    uplinks = tuple({**config.uplinks[0], "name": name} for name in names)
    changed = type(config)(config.folder, config.tables, uplinks, config.devices, config.secret)
    hub = Hub(changed)
    for one in hub.uplinks:
        known = 80 if one.name == "platform" else 0
        counts = one.queue.counts(hub.store.following)
        assert counts["delivered"] == known
        assert counts["backlog"] + counts["live"] == QUEUED - known
    await hub.store.close()
    again = Hub(config)
    counts = again.uplinks[0].queue.counts(again.store.following)
    assert counts["delivered"] == 80 and counts["evicted"] == 0
    found = await frames_of(again.store)
    assert sum(identity_of(frame)[1][2] in (LANE_LIFE, LANE_STATE) for frame in found) >= QUEUED
    await again.store.close()
