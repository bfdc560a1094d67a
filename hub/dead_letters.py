"""Dead letters: frames that an uplink's platform refused for their own sake, kept to try again.

They lie beside the queue, so they hold up nothing and no eviction reaches them; of more than
LETTERS_MAX the oldest of the least urgent lane is given up. An operator sees and retries them
(`hinomi hub dead-letters`); `retry` in a row asks the uplink for one more try.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from hub.ledger import Entry, gap
from protocols.batch import read_record_head
from protocols.cose import Mac0, sender_of
from protocols.errors import RemoteProtocolError
from protocols.limits import KEY_SIZE
from protocols.vocabulary import GAP_DEAD_LETTER

Key = tuple[str, int, int]  # uplink, lane, sequence number in the lane
REASON_SIZE_MAX = 200
LETTERS_MAX = 1000  # of an uplink: 4 MiB of the largest frames

_SAVE = (
    "INSERT OR REPLACE INTO dead_letter (uplink, lane, sequence, reason, tries, at_utc_us, frame,"
    " crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7,"
    " row_crc('dead_letter', ?1, ?2, ?3, ?4, ?5, ?6, ?7))"
)
_DELETE = "DELETE FROM dead_letter WHERE uplink = ? AND lane = ? AND sequence = ?"
_SELECT = "SELECT uplink, lane, sequence, reason, tries, at_utc_us, frame FROM dead_letter"


@dataclass(frozen=True)
class DeadLetter:
    """One frame. tries: that counted; at_utc_us: of the last."""

    key: Key
    reason: str
    tries: int
    at_utc_us: int
    frame: bytes

    def failed(self, reason: str) -> "DeadLetter":
        """Return it after one more try that failed."""
        return replace(self, reason=reason[:REASON_SIZE_MAX], tries=self.tries + 1)

    def identity(self) -> tuple[str, int, int]:
        """Return device, boot and index; ("", 0, 0) where the frame does not say."""
        try:
            device = sender_of(self.frame)
            payload = Mac0(device, bytes(KEY_SIZE)).peek(self.frame)
            _, boot, index, *_ = read_record_head(payload)
        except RemoteProtocolError:
            return "", 0, 0
        return device, boot, index


def loss_of(letter: DeadLetter) -> Entry:
    """Return the entry of the ledger that says what the platform has not got."""
    device, boot, index = letter.identity()
    uplink, lane, sequence = letter.key
    extent = (boot, index, index + 1) if device else (0, sequence, sequence + 1)
    detail = f"uplink {uplink}: {letter.reason}"
    return gap(letter.at_utc_us, device, extent,
               lane=lane, reason=GAP_DEAD_LETTER, detail=detail)  # fmt: skip


def write(db: sqlite3.Connection, letters: Mapping[Key, DeadLetter | None]) -> None:
    """Keep letters, or forget those of None, within the transaction that is open in db."""
    for key, letter in letters.items():
        if letter is None:
            db.execute(_DELETE, key)
        else:
            row = (*key, letter.reason[:REASON_SIZE_MAX], letter.tries)
            db.execute(_SAVE, (*row, letter.at_utc_us, letter.frame))


def keys_of(db: sqlite3.Connection, uplink: str) -> list[Key]:
    """Return the keys of an uplink's letters, oldest first."""
    query = "SELECT uplink, lane, sequence FROM dead_letter WHERE uplink = ? ORDER BY at_utc_us"
    return db.execute(query, (uplink,)).fetchall()


def read_all(db: sqlite3.Connection) -> list[DeadLetter]:
    """Return all, oldest first in each lane of each uplink."""
    return _letters(db.execute(f"{_SELECT} ORDER BY uplink, lane, sequence"))


def read_to_retry(db: sqlite3.Connection, uplink: str) -> DeadLetter | None:
    """Return the first that an operator wants to be tried again."""
    query = f"{_SELECT} WHERE uplink = ? AND retry ORDER BY lane, sequence LIMIT 1"
    return next(iter(_letters(db.execute(query, (uplink,)))), None)


def ask_to_retry(db: sqlite3.Connection, uplink: str | None = None) -> int:
    """Ask for another try of all, or of all of an uplink; return of how many."""
    query = "UPDATE dead_letter SET retry = 1 WHERE ?1 IS NULL OR uplink = ?1"
    return db.execute(query, (uplink,)).rowcount


def _letters(rows: Iterable[tuple[str, int, int, str, int, int, bytes]]) -> list[DeadLetter]:
    return [DeadLetter(row[:3], row[3], row[4], row[5], frame=row[6]) for row in rows]
