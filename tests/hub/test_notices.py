"""Notices as a platform gets them: which of them ended which, and nothing of whom it concerns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub.main import Hub
from hub.rules.finding import EMERGENCY, WARNING, Finding
from protocols.records import decode_record, encode_record
from protocols.vocabulary import KIND_NOTICE, MODE_WATCH, NOTICE_NAMES
from tests.hub.test_watch import finding, with_hub

DRILL_TEXTS = ("訓練", "drill")
WATCHED = Finding("watch-over", "p-001/button", EMERGENCY, 0, "佐藤", "Sato", kind="watch-over")


def said(folder: Path, act: Callable[[Hub], Any]) -> list[dict[str, Any]]:
    """Return the notices that come of act, as they are decoded."""
    notices: list[dict[str, Any]] = []

    def listened(hub: Hub) -> None:
        record = hub.sender.record

        def send(kind: int, lane: int, now_us: int, fields: dict[str, Any]) -> None:
            if kind == KIND_NOTICE:
                payload = encode_record(kind, (1, 0, lane, now_us), fields)
                notices.append(decode_record(payload)[-1])
            record(kind, lane, now_us, fields)

        hub.sender.record = send  # type: ignore[method-assign]
        act(hub)

    with_hub(folder, listened)
    return notices


def states(notices: list[dict[str, Any]]) -> list[tuple[str, str, str, bool]]:
    """Return what a platform tells them apart by."""
    return [(one["kind"], one["key"], NOTICE_NAMES[one["state"]], one["drill"]) for one in notices]


def test_what_lasts_begins_changes_and_is_over_under_its_key(tmp_path: Path) -> None:
    def act(hub: Hub) -> None:
        for one in (finding(MODE_WATCH), finding(MODE_WATCH, "river-2"), finding(2)):
            hub.watch.find(one)
        hub.watch.find(finding(0, is_over=True))
        hub.watch.find(finding(0, is_over=True))
        hub.watch.find(finding(MODE_WATCH))

    assert states(said(tmp_path, act)) == [
        ("river", "river-1", "begin", False),
        ("river", "river-2", "begin", False),
        ("river", "river-1", "change", False),
        ("river", "river-1", "over", False),
        ("river", "river-1", "over", False),
        ("river", "river-1", "begin", False),
    ]
    # Another life begins what lasts again: nobody has said that it is over.
    again = said(tmp_path, lambda hub: hub.watch.find(finding(MODE_WATCH, "river-2")))
    assert states(again)[-1] == ("river", "river-2", "begin", False)


def test_what_is_once_so_has_no_key(tmp_path: Path) -> None:
    (one,) = said(tmp_path, lambda hub: hub.watch.notice(WARNING, "clock", ("時計", "clock")))
    assert (one["key"], NOTICE_NAMES[one["state"]]) == ("", "once")


def test_a_drill_and_what_is_real_never_share_a_notice_and_all_of_a_drill_ends(
    tmp_path: Path,
) -> None:
    def act(hub: Hub) -> None:
        watch = hub.watch
        watch.start_drill(MODE_WATCH, "person:Sato", DRILL_TEXTS)
        watch.exercise(finding(0))
        watch.exercise(finding(MODE_WATCH, "river-2"))
        watch.find(finding(0))
        watch.end_drill("person:Sato", DRILL_TEXTS)
        watch.find(finding(0))

    found = states(said(tmp_path, act))
    begun = {one[:2] for one in found if one[2:] == ("begin", True)}
    over = [one[:2] for one in found if one[2:] == ("over", True)]
    assert begun == set(over) == {("drill", "drill"), ("river", "river-1"), ("river", "river-2")}
    assert len(over) == 3
    assert [one[2] for one in found if not one[3]] == ["begin", "change"]


def test_what_a_drill_began_ends_with_it_in_another_life(tmp_path: Path) -> None:
    def first(hub: Hub) -> None:
        hub.watch.start_drill(MODE_WATCH, "person:Sato", DRILL_TEXTS)
        hub.watch.exercise(finding(0))
        hub.watch.find(finding(0, "river-2"))

    said(tmp_path, first)
    end = lambda hub: hub.watch.end_drill("person:Sato", DRILL_TEXTS)  # noqa: E731
    found = states(said(tmp_path, end))
    assert found == [("drill", "drill", "over", True), ("river", "river-1", "over", True)]
    assert said(tmp_path, end) == []


def test_of_a_person_the_key_says_nothing_and_still_ends_what_began(tmp_path: Path) -> None:
    def act(hub: Hub) -> None:
        hub.watch.find(WATCHED)
        hub.watch.find(
            Finding("watch-over", "p-002/button", EMERGENCY, 0, "", "", kind="watch-over")
        )
        over = Finding("watch-over", WATCHED.key, 0, 0, "", "", is_over=True, kind="watch-over")
        hub.watch.find(over)

    notices = said(tmp_path, act)
    first, second, third = notices
    assert "p-00" not in str(notices) and "佐藤" not in str(notices)
    assert first["key"] == third["key"] != second["key"] and len(first["key"]) == 16
    assert [one[2] for one in states(notices)] == ["begin", "begin", "over"]


def test_a_key_that_is_too_long_is_cut_and_the_notice_goes_out(tmp_path: Path) -> None:
    (one,) = said(tmp_path, lambda hub: hub.watch.find(finding(0, "橋" * 500)))
    assert one["key"] == "橋" * 341
