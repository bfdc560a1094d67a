"""The hub's log on stderr: text for a person, one JSON object a line for a program.

Of each JSON object `event` names what happened, by a word that stays: that of the log call's
`extra`, else its message template in snake case. Other names of `extra` are fields beside it, and
so is the uplink, device or hub that a message begins with.

What repeats is held back: a device that comes and goes each second must not fill the disk. Of one
message about one thing BURST_COUNT pass, then one in REFILL_S; of one message about whatever (a
stranger may call himself anything) BURST_ALL_COUNT, then one in REFILL_ALL_S. How many were held
back stands in the next that passes, or in a line of its own a minute later.
"""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

BURST_COUNT, REFILL_S = 5, 60.0
BURST_ALL_COUNT, REFILL_ALL_S = 60, 2.0
KEYS_MAX = 1000  # buckets; beyond, the oldest goes
TELL_S = 60.0
# syslog(3), as journald reads it before a line: "<4>".
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3,
              logging.CRITICAL: 2}  # fmt: skip
TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# A message that begins so is about that one: a field of its own.
SUBJECT = re.compile(r"(uplink|device|hub) %s")
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "held_back"}


@dataclass
class Bucket:
    """What may still pass of one message, and what was held back since."""

    allowance: float
    at_s: float
    held_back: int = 0
    held_since_s: float = 0.0

    def take(self, now_s: float, burst: int, refill_s: float) -> bool:
        """Tell whether one more may pass."""
        self.allowance = min(burst, self.allowance + (now_s - self.at_s) / refill_s)
        self.at_s = now_s
        if self.allowance < 1:
            return False
        self.allowance -= 1
        return True


class Limiter(logging.Filter):
    """Holds back what repeats. now_s: a monotonic clock."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now_s = now_s
        self._buckets: dict[tuple[str, ...], Bucket] = {}
        self._told_s = now_s()
        self.on_due: Callable[[logging.LogRecord], object] = lambda record: None

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass or count it; tell of others that were held back for long."""
        now_s = self._now_s()
        template = (record.name, str(record.msg))
        subject = record.args[0] if isinstance(record.args, tuple) and record.args else ""
        bucket = self._bucket((*template, str(subject)), now_s, BURST_COUNT)
        passes = bucket.take(now_s, BURST_COUNT, REFILL_S)
        if passes:
            bucket_all = self._bucket(template, now_s, BURST_ALL_COUNT)
            if not bucket_all.take(now_s, BURST_ALL_COUNT, REFILL_ALL_S):
                bucket, passes = bucket_all, False
        if passes:
            record.held_back, bucket.held_back = bucket.held_back, 0
        else:
            bucket.held_since_s = bucket.held_since_s if bucket.held_back else now_s
            bucket.held_back += 1
        if now_s - self._told_s >= 1:  # not at each record of a flood
            self._told_s = now_s
            self.tell(now_s - TELL_S)
        return passes

    def tell(self, before_s: float) -> None:
        """Tell of all that was held back since before that time."""
        for key, bucket in list(self._buckets.items()):
            if bucket.held_back and bucket.held_since_s <= before_s:
                what = " ".join(key[1:])
                record = logging.makeLogRecord({
                    "name": key[0], "levelno": logging.WARNING, "levelname": "WARNING",
                    "msg": "held back %d more of: %s", "args": (bucket.held_back, what),
                    "event": "held_back", "held_back": bucket.held_back,
                })  # fmt: skip
                bucket.held_back = 0
                self.on_due(record)

    def _bucket(self, key: tuple[str, ...], now_s: float, burst: int) -> Bucket:
        bucket = self._buckets.pop(key, None) or Bucket(burst, now_s)
        self._buckets[key] = bucket  # the newest stands last
        if len(self._buckets) > KEYS_MAX:
            oldest = next(iter(self._buckets))
            self._carry(self._buckets.pop(oldest))
        return bucket

    def _carry(self, bucket: Bucket) -> None:
        # Its count goes into another's, so that none is lost.
        if bucket.held_back:
            last = next(reversed(self._buckets.values()))
            last.held_back += bucket.held_back


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, event, message, logger, and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        row: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": event_of(record),
            "message": record.getMessage(),
            "logger": record.name,
        }
        subject = SUBJECT.match(str(record.msg))
        if subject and isinstance(record.args, tuple):
            row[subject[1]] = record.args[0]
        fields = {name: value for name, value in record.__dict__.items() if name not in _OWN}
        row |= {name: value for name, value in fields.items() if name not in row}
        if getattr(record, "held_back", 0):
            row["held_back"] = record.__dict__["held_back"]
        if record.exc_info:
            row["exception"] = self.formatException(record.exc_info)
        return json.dumps(row, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A line for a person; says how many like it were held back."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        held_back = getattr(record, "held_back", 0)
        is_about_others = getattr(record, "event", "") == "held_back"
        more = f" ({held_back} more held back)" if held_back and not is_about_others else ""
        return super().format(record) + more


class Priority(logging.Formatter):
    """Puts journald's priority before each line of another formatter."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or lines."""
        mark = f"<{PRIORITIES.get(record.levelno, 5)}>"
        return "\n".join(mark + line for line in self._inner.format(record).splitlines())


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream, and at the end what was held back."""

    def __init__(self, stream: TextIO, limiter: Limiter) -> None:
        super().__init__(stream)
        self._limiter = limiter
        limiter.on_due = self.emit
        self.addFilter(limiter)

    def close(self) -> None:
        """Tell what is still untold."""
        self._limiter.tell(float("inf"))
        super().close()


def event_of(record: logging.LogRecord) -> str:
    """Return the stable name of what happened."""
    named = getattr(record, "event", "")
    if named:
        return str(named)
    words = re.sub(r"%[-+#0-9.]*[a-zA-Z]", " ", str(record.msg))
    return "_".join(re.findall(r"[a-z0-9]+", words.lower())[:6]) or "log"


def set_up(log_format: str = "auto", stream: TextIO | None = None) -> None:
    """Send all logs to stderr. log_format: text, json, or auto: text on a terminal only."""
    stream = stream or sys.stderr
    as_json = log_format == "json" or (log_format == "auto" and not stream.isatty())
    formatter: logging.Formatter = JsonFormatter() if as_json else TextFormatter(TEXT_FORMAT)
    handler = StderrHandler(stream, Limiter())
    handler.setFormatter(Priority(formatter) if goes_to_journal(stream) else formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def goes_to_journal(stream: TextIO) -> bool:
    """Tell whether systemd-journald reads the stream (JOURNAL_STREAM: its device and inode)."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
