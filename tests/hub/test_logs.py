"""The log: one object a line, names that stay, and nothing that repeats fills the disk."""

import io
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hub.logs import (
    BURST_ALL_COUNT,
    BURST_COUNT,
    KEYS_MAX,
    REFILL_S,
    TELL_S,
    JsonFormatter,
    Limiter,
    Priority,
    StderrHandler,
    TextFormatter,
    event_of,
    goes_to_journal,
    set_up,
)


class Log:
    """A logger with the hub's handler on a stream, and a clock that moves by hand."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.now_s = 100.0
        self.stream = io.StringIO()
        self.handler = StderrHandler(self.stream, Limiter(lambda: self.now_s))
        self.handler.setFormatter(formatter)
        self.log = logging.Logger("hub.test")
        self.log.addHandler(self.handler)

    def lines(self) -> list[str]:
        """Return what was written."""
        return self.stream.getvalue().splitlines()

    def rows(self) -> list[dict[str, Any]]:
        """Return what was written as JSON."""
        return [json.loads(line) for line in self.lines()]


@contextmanager
def restored_root() -> Iterator[None]:
    """Leave the root logger as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def test_a_line_is_one_object_with_a_stable_event_and_its_fields() -> None:
    log = Log(JsonFormatter())
    log.log.warning("uplink %s: line lost: %s", "kensetsu 県", "timed\nout")
    log.log.info("refused %s", "river-1", extra={"event": "refused", "device": "river-1"})
    try:
        raise ValueError("no")
    except ValueError:
        log.log.exception("watch failed; it starts again")
    first, second, third = log.rows()
    assert first["event"] == "uplink_line_lost" and first["level"] == "warning"
    assert first["uplink"] == "kensetsu 県" and "device" not in first
    assert first["message"] == "uplink kensetsu 県: line lost: timed\nout"
    assert first["time"].endswith("+00:00") and first["logger"] == "hub.test"
    assert second["event"] == "refused" and second["device"] == "river-1"
    assert "ValueError: no" in third["exception"]


def test_the_event_is_of_the_template_and_not_of_what_stands_in_it() -> None:
    names = {
        event_of(logging.makeLogRecord({"msg": "mode %s%s: %s", "args": (a, "", "x")}))
        for a in ("normal", "disaster")
    }
    assert names == {"mode"}


def test_a_flapping_device_is_held_back_and_the_count_is_told() -> None:
    log = Log(JsonFormatter())
    for _ in range(1000):
        log.log.warning("refused %s: %s", "river-1", "silent")
    log.log.warning("refused %s: %s", "river-2", "silent")
    assert len(log.rows()) == BURST_COUNT + 1
    log.now_s += REFILL_S
    log.log.warning("refused %s: %s", "river-1", "silent")
    assert log.rows()[-1]["held_back"] == 1000 - BURST_COUNT
    assert "held_back" not in log.rows()[0]


def test_strangers_with_ever_new_names_are_held_back_too() -> None:
    log = Log(JsonFormatter())
    for at in range(5 * KEYS_MAX):
        log.log.warning("refused %s: unknown_device", f"stranger-{at}")
    assert len(log.rows()) == BURST_ALL_COUNT
    log.handler.close()
    told = sum(row.get("held_back", 0) for row in log.rows())
    assert told == 5 * KEYS_MAX - BURST_ALL_COUNT


def test_what_was_held_back_is_told_a_minute_later_or_at_the_end() -> None:
    log = Log(TextFormatter("%(levelname)s %(message)s"))
    for _ in range(10):
        log.log.warning("line lost: %s", "a")
    log.now_s += TELL_S
    log.log.info("something else")
    assert f"WARNING held back {10 - BURST_COUNT} more of: line lost: %s a" in log.lines()
    for _ in range(10):
        log.log.warning("line lost: %s", "a")
    log.handler.close()
    assert log.lines()[-1].startswith("WARNING held back")


def test_journald_gets_a_priority_before_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(Priority(TextFormatter("%(message)s")))
    log.log.warning("one\ntwo")
    log.log.error("three")
    assert log.lines() == ["<4>one", "<4>two", "<3>three"]
    reader, writer = os.pipe()
    with os.fdopen(reader), os.fdopen(writer, "w") as stream:
        assert not goes_to_journal(stream)
        found = os.fstat(writer)
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        assert goes_to_journal(stream) and not goes_to_journal(io.StringIO())


@pytest.mark.parametrize(
    ("log_format", "is_json"), [("auto", True), ("json", True), ("text", False)]
)
def test_a_stream_that_is_no_terminal_gets_json_unless_told(
    log_format: str, is_json: bool
) -> None:
    with restored_root():
        stream = io.StringIO()
        set_up(log_format, stream)
        logging.getLogger("hub.x").info("hub %s takes devices", "hub-1")
        assert stream.getvalue().startswith("{") is is_json
