"""The safety list: counts, order, CSV that no spreadsheet runs, a page that says what it is."""

import csv
import io

import pytest

from hub.people.safety import HELP, SAFE, UNKNOWN, SafetyList, Status, as_csv, as_page


def made(drill: bool = False) -> SafetyList:
    one = SafetyList(drill)
    one.expect(["p-001", "p-002"])
    one.put(Status("p-002", HELP, 2, "2F", "water, 薬", "shelter", 1_780_000_000_000_000))
    one.put(Status("house-7", SAFE, 3, "=1+1", "<b>", "shelter", 1_780_000_000_000_000))
    return one


def test_whoever_needs_help_stands_first_and_people_are_counted() -> None:
    one = made()
    assert [row.id for row in one.sorted()] == ["p-002", "p-001", "house-7"]
    assert one.counts() == {HELP: 2, UNKNOWN: 1, SAFE: 3}
    assert one.expect(["p-002", "p-003"]) == [Status("p-003")]
    before = one.put(Status("p-001", SAFE))
    assert before is not None and before.state == UNKNOWN
    with pytest.raises(ValueError, match="needs-help"):
        one.put(Status("p-001", "fine"))


def test_a_csv_that_a_spreadsheet_reads_and_does_not_run() -> None:
    text = as_csv(made().sorted(), False)
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text[1:])))
    assert [row["state"] for row in rows] == [HELP, UNKNOWN, SAFE]
    assert rows[2]["place"] == "'=1+1" and rows[0]["note"] == "water, 薬"
    assert rows[0]["time"].startswith("2026-05-2") and rows[0]["exercise"] == ""
    marked = csv.DictReader(io.StringIO(as_csv(made(True).sorted(), True)[1:]))
    assert {row["exercise"] for row in marked} == {"EXERCISE"}


def test_a_page_to_print() -> None:
    page = as_page(made().sorted(), False, 1_780_000_000_000_000)
    assert "&lt;b&gt;" in page and "<b>" not in page and "安否確認表" in page
    assert "EXERCISE" not in page and "http" not in page
    assert page.count("訓練") == 0
    assert as_page(made(True).sorted(), True, 0).count("【訓練】[EXERCISE]") == 2
