"""Where the slots and the log lie in the flash of each board."""

from itertools import pairwise
from typing import Any

import pytest

from boards.build import build
from boards.profiles import board_profiles, device_profiles, read_board, read_device
from protocols.archive import pack

SECTOR = 4096


def regions(board: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return name -> (start, size) of all regions that a board's profile names, in bytes."""
    partitions = {row["label"]: row for row in board.get("partitions", [])}
    found = {label: (row["offset"], row["size"]) for label, row in partitions.items()}
    tables = {"slot 0": board["slots"][0], "slot 1": board["slots"][1], "log": board["flash"]}
    if "file_system" in board:
        tables["file system"] = board["file_system"]
    for name, table in tables.items():
        if "start" in table:
            found[name] = (table["start"], table["size"])
        else:
            assert table["label"] in partitions
    return found


@pytest.mark.parametrize("name", board_profiles())
def test_regions_are_whole_sectors_side_by_side(name: str) -> None:
    board = read_board(name)
    rows = sorted(regions(board).values())
    assert all(start % SECTOR == size % SECTOR == 0 for start, size in rows)
    assert all(first[0] + first[1] <= second[0] for first, second in pairwise(rows))
    end = board["flash_kib"] if "partitions" in board else board["storage_kib"]
    assert rows[-1][0] + rows[-1][1] <= end * 1024
    assert board["storage_kib"] + 1024 <= board["flash_kib"]


@pytest.mark.parametrize("name", board_profiles())
def test_the_log_has_the_size_that_is_said(name: str) -> None:
    board = read_board(name)
    label = board["flash"].get("label", "log")
    assert regions(board)[label][1] == board["log_kib"] * 1024


def test_the_largest_image_fits_a_slot() -> None:
    largest = max(device_profiles(), key=lambda one: len(read_device(one)["sensors"]))
    board = read_board(read_device(largest)["board"])
    assert len(pack(build(largest))) <= board["slots"][0]["size"] - SECTOR
