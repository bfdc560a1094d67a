"""The rows that can still be found in a damaged database, page by page, without its tables' trees.

SQLite reads nothing below a page that is damaged, and nothing of a log behind a damaged frame. So
here every page of the file and every page image of the log is looked at by itself
(https://www.sqlite.org/fileformat2.html: b-tree pages 1.6, records 2.1, overflow 1.7, log 4).
What is found may be older than what was stored last, or wrong: whoever uses a row checks its
checksum (hub.database.row_crc).
"""

import mmap
import struct
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAGE_SIZE = 4096  # hub.database sets it
WAL_HEADER_SIZE = 32
FRAME_HEADER_SIZE = 24
WAL_MAGIC = 0x377F0682  # and one more where the checksums are big-endian
PAYLOAD_SIZE_MAX = 4 << 20  # chunks have up to 128 KiB; a damaged length must not make us read on
TABLE_LEAF = 0x0D
INDEX_LEAF = 0x0A
INDEX_INTERIOR = 0x02  # of a table without rowid: its cells hold rows as well
# Bytes of a row that stand in the leaf itself (1.6): most of a table's, of an index's, and the
# least of both.
_TABLE_LOCAL_MAX = PAGE_SIZE - 35
_INDEX_LOCAL_MAX = (PAGE_SIZE - 12) * 64 // 255 - 23
_LOCAL_MIN = (PAGE_SIZE - 12) * 32 // 255 - 23
_OVERFLOW_SIZE = PAGE_SIZE - 4
_INT_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

_LET_GO_PAGES = 4096  # 16 MiB

Page = bytes | memoryview


@dataclass(frozen=True)
class Log:
    """A write-ahead log. images: page number -> offsets of its images, oldest first."""

    data: bytes
    images: dict[int, list[int]]
    unseen: int  # transactions that end behind a frame that does not check
    last_start: int = 0  # offset of what SQLite will not see: perhaps never synced


@dataclass(frozen=True)
class Cell:
    """A row's place: its rowid (None: a table without), size, and the part in the leaf."""

    rowid: int | None
    size: int
    local: bytes
    overflow: int  # number of the first overflow page; 0: none


class Pages:
    """The pages of one database: of the file and of its log."""

    def __init__(self, main: "mmap.mmap | bytes", log: Log) -> None:
        self._main = main
        self._log = log
        self.count = len(main) // PAGE_SIZE
        self._last = max([self.count + 1, *log.images])
        self.is_log_whole = log.unseen == 0

    def leaves(self, kinds: tuple[int, ...], pages_max: int | None = None) -> Iterator[Page]:
        """Yield the pages of these kinds: of the file in order, then of the log in order."""
        yield from self.settled_leaves(kinds, pages_max)
        yield from self.last_leaves(kinds)

    def settled_leaves(
        self, kinds: tuple[int, ...], pages_max: int | None = None
    ) -> Iterator[Page]:
        """Yield the same without what SQLite does not see of the log."""
        upto = self.count if pages_max is None else min(self.count, pages_max)
        for number in range(upto):
            if number % _LET_GO_PAGES == 0 and isinstance(self._main, mmap.mmap):
                # What was looked at is read again where it is needed: memory stays as it is.
                self._main.madvise(mmap.MADV_DONTNEED)
            at = number * PAGE_SIZE
            if self._main[at] in kinds:
                yield self._main[at : at + PAGE_SIZE]
        yield from self._of_log(kinds, 0, self._log.last_start)

    def last_leaves(self, kinds: tuple[int, ...]) -> Iterator[Page]:
        """Yield those of the log that SQLite does not see."""
        yield from self._of_log(kinds, self._log.last_start, len(self._log.data))

    def _of_log(self, kinds: tuple[int, ...], start: int, end: int) -> Iterator[Page]:
        for at in sorted(at for images in self._log.images.values() for at in images):
            if start <= at < end and self._log.data[at] in kinds:
                yield self._log.data[at : at + PAGE_SIZE]

    def payloads(self, cell: Cell) -> Iterator[bytes]:
        """Yield what the row may be: by the file's overflow pages, then by the log's newest."""
        yield self.payload(cell, prefers_log=False)
        if cell.overflow:
            yield self.payload(cell, prefers_log=True)

    def payload(
        self, cell: Cell, *, prefers_log: bool, disbelieved: frozenset[int] = frozenset()
    ) -> bytes:
        """Return the row's bytes; zeros for a page that is not there.

        disbelieved: places in the chain of overflow pages whose pointer to the next is wrong.
        After such a one, and a missing one, the page next to it is taken: so most were written.
        """
        parts, missing, number = [cell.local], cell.size - len(cell.local), cell.overflow
        place = 0
        while missing > 0:
            page = self._page(number, prefers_log) or bytes(PAGE_SIZE)
            parts.append(bytes(page[4 : 4 + min(missing, _OVERFLOW_SIZE)]))
            missing -= _OVERFLOW_SIZE
            following = int.from_bytes(page[:4], "big")
            is_believed = place not in disbelieved and 1 < following <= self._last
            number = following if is_believed else number + 1
            place += 1
        return b"".join(parts)

    @staticmethod
    def place_of(cell: Cell, at: int) -> int:
        """Return the place in the chain of overflow pages of a row's byte; -1: in the leaf."""
        return (at - len(cell.local)) // _OVERFLOW_SIZE if at >= len(cell.local) else -1

    def _page(self, number: int, prefers_log: bool) -> Page | None:
        images = self._log.images.get(number)
        at = (number - 1) * PAGE_SIZE
        if images and (prefers_log or at >= len(self._main)):
            return self._log.data[images[-1] : images[-1] + PAGE_SIZE]
        if number < 1 or at >= len(self._main):
            return None
        return self._main[at : at + PAGE_SIZE].ljust(PAGE_SIZE, b"\0")


@contextmanager
def opened(path: Path) -> Iterator[Pages]:
    """Open a database's file and log to read; either may be missing."""
    log = read_log(path.with_name(path.name + "-wal"))
    if not path.exists() or not path.stat().st_size:
        yield Pages(b"", log)
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as main:
        yield Pages(main, log)


def cells(page: Page) -> Iterator[Cell]:
    """Yield the cells of a page that make sense."""
    kind = page[0]
    start = 12 if kind == INDEX_INTERIOR else 8
    count = int.from_bytes(page[3:5], "big")
    for at in range(start, min(start + 2 * count, PAGE_SIZE - 1), 2):
        cell = _cell(page, kind, int.from_bytes(page[at : at + 2], "big"))
        if cell is not None:
            yield cell


def _cell(page: Page, kind: int, at: int) -> Cell | None:
    try:
        if kind == INDEX_INTERIOR:
            at += 4
        size, at = _varint(page, at)
        rowid = None
        if kind == TABLE_LEAF:
            rowid, at = _varint(page, at)
    except IndexError:
        return None
    local_max = _TABLE_LOCAL_MAX if kind == TABLE_LEAF else _INDEX_LOCAL_MAX
    local = size
    if size > local_max:
        local = _LOCAL_MIN + (size - _LOCAL_MIN) % _OVERFLOW_SIZE
        if local > local_max:
            local = _LOCAL_MIN
    end = at + local
    if not 1 <= size <= PAYLOAD_SIZE_MAX or end + (4 if local < size else 0) > PAGE_SIZE:
        return None
    overflow = int.from_bytes(page[end : end + 4], "big") if local < size else 0
    return Cell(rowid, size, bytes(page[at:end]), overflow)


def columns(payload: bytes) -> list[Any] | None:
    """Return the values of a record; None where it is none. The last ones may be cut short."""
    try:
        header_size, at = _varint(payload, 0)
        kinds = []
        while at < header_size:
            kind, at = _varint(payload, at)
            kinds.append(kind)
    except IndexError:
        return None
    if at != header_size or len(kinds) > 16:
        return None
    values = []
    for kind in kinds:
        value, at = _value(payload, kind, at)
        values.append(value)
    return values


def _value(payload: bytes, kind: int, at: int) -> tuple[Any, int]:
    if kind in _INT_SIZES:
        end = at + _INT_SIZES[kind]
        return int.from_bytes(payload[at:end], "big", signed=True), end
    if kind in (8, 9):
        return kind - 8, at
    if kind >= 12:
        end = at + (kind - 12) // 2
        part = payload[at:end]
        return (part.decode(errors="replace") if kind & 1 else part), end
    return None, at


def _varint(data: Page, at: int) -> tuple[int, int]:
    value = 0
    for _ in range(8):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    return value << 8 | data[at], at + 1


def read_log(path: Path) -> Log:
    """Read a write-ahead log; one that is not there is whole."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    frame_size = FRAME_HEADER_SIZE + PAGE_SIZE
    starts = range(WAL_HEADER_SIZE, len(data) - frame_size + 1, frame_size)
    if not data or not any(data[:WAL_HEADER_SIZE]):  # it was just begun
        return Log(data, {}, unseen=2 if data[WAL_HEADER_SIZE:] else 0)
    images: dict[int, list[int]] = {}
    last_start = WAL_HEADER_SIZE
    header = sums = _checked_header(data)
    unseen = 0 if header is not None else 2
    for at in starts:
        head = data[at : at + FRAME_HEADER_SIZE]
        # Frames of an earlier use of the log have other salts; a damaged header cannot tell them.
        if header is not None and head[8:16] != data[16:24]:
            sums = None
            continue
        if sums is not None:
            sums = _checked_frame(data, at, sums)
        if any(head[4:8]):
            unseen += sums is None  # a transaction ends here that SQLite will not see
            if sums is not None:
                last_start = at + frame_size
        number = int.from_bytes(head[:4], "big")
        images.setdefault(number, []).append(at + FRAME_HEADER_SIZE)
    return Log(data, images, unseen, last_start=last_start)


def _checked_header(data: bytes) -> tuple[int, int] | None:
    magic, _, page_size = struct.unpack_from(">3I", data)
    if magic & ~1 != WAL_MAGIC or page_size != PAGE_SIZE:
        return None
    sums = _checksum(data[:24], (0, 0), bool(magic & 1))
    return sums if sums == struct.unpack_from(">2I", data, 24) else None


def _checked_frame(data: bytes, at: int, sums: tuple[int, int]) -> tuple[int, int] | None:
    is_big = bool(data[3] & 1)
    body = data[at : at + 8] + data[at + FRAME_HEADER_SIZE : at + FRAME_HEADER_SIZE + PAGE_SIZE]
    sums = _checksum(body, sums, is_big)
    return sums if sums == struct.unpack_from(">2I", data, at + 16) else None


def _checksum(data: bytes, sums: tuple[int, int], is_big: bool) -> tuple[int, int]:
    """Return SQLite's checksum of a log (4.2), begun with `sums`."""
    words = array("I", data)
    if is_big != (struct.pack("=I", 1) == struct.pack(">I", 1)):
        words.byteswap()
    first, second = sums
    for low, high in zip(words[::2], words[1::2], strict=True):
        first = (first + low + second) & 0xFFFFFFFF
        second = (second + high + first) & 0xFFFFFFFF
    return first, second
