"""The store's file made as small as its data: nothing is lost, no running hub is disturbed."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.commands import CommandError, app
from hub.compact import compact
from hub.database import StoreError, connect_to_read
from hub.group import Removal
from hub.store import Store
from protocols.vocabulary import LANE_WAVE
from tests.hub.damage import LARGE
from tests.hub.test_keeping import fill, make_hub

TABLES = ("meta", "seen", "lane", "cursor", "clock", "ledger", "dead_letter", "chunk")


async def make_room(folder: Path) -> None:
    """Take all waveforms out, as hub.room does."""
    store = Store(folder, LARGE)
    rows = store._read_db.execute(
        "SELECT id FROM chunk WHERE id >= ? AND id < ?", (LANE_WAVE << 48, LANE_WAVE + 1 << 48)
    )
    starts = [number - (LANE_WAVE << 48) for (number,) in rows]
    runs = [(0, store.following[LANE_WAVE])]
    store.remove(Removal(LANE_WAVE, starts, [], runs, "deleted"))
    await store.close()


def rows_of(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    db = connect_to_read(folder / "hub.sqlite")
    try:
        return {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in TABLES}
    finally:
        db.close()


def test_a_file_becomes_as_small_as_its_data_and_says_the_same(tmp_path: Path) -> None:
    config = make_hub(tmp_path / "it's hub-1")
    asyncio.run(fill(config, 1, 2000))
    asyncio.run(make_room(config.data))
    before, size = rows_of(config.data), (config.data / "hub.sqlite").stat().st_size
    words = ["compact", "--config", str(tmp_path / "it's hub-1" / "hub.toml")]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0 and "MiB" in done.output
    after, again = compact(config.data)
    assert after == again < size
    assert rows_of(config.data) == before and len(before["chunk"]) > 10
    store = Store(config.data, LARGE)
    assert all(store.following[row[0]] == row[1] for row in before["lane"])
    asyncio.run(store.close())


def test_a_running_hub_is_left_alone_and_a_full_disk_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_hub(tmp_path)
    asyncio.run(fill(config, 1))
    store = Store(config.data, LARGE)
    with pytest.raises(CommandError, match="another hub uses"):
        CliRunner().invoke(
            app, ["compact", "--config", str(tmp_path / "hub.toml")], catch_exceptions=False
        )
    asyncio.run(store.close())
    monkeypatch.setattr("hub.compact.SLACK_SIZE", 1 << 60)
    before = rows_of(config.data)
    with pytest.raises(StoreError, match="MiB free"):
        compact(config.data)
    assert rows_of(config.data) == before
