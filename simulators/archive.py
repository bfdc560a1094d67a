"""The record of the simulated common platform: every frame that it accepted, as it came.

One SQLite file `archive.sqlite` in the archive's directory. `frames` is append-only and has no
unique key on purpose: whoever stores a frame twice is seen by who counts. One bundle is one
transaction, and it is committed before the broker acknowledges it.

synchronous=NORMAL: a commit outlives the death of the process (SIGKILL), which is what scenarios
do to a platform; the power of the machine that plays the platform is not part of them.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from protocols.batch import Batch, decode_batch
from protocols.cose import Mac0
from protocols.limits import KEY_SIZE
from protocols.ranges import Ranges
from protocols.records import decode_record
from protocols.utc import UtcReader
from protocols.vocabulary import KIND_BATCH, KIND_CLOCK, LANE_NAMES

FILE_NAME = "archive.sqlite"
BUSY_TIMEOUT_S = 5.0  # a reader waits only while the file is being made
REFUSED = "refused."  # refusals are counted as REFUSED + one of protocols.errors.REASONS

SCHEMA = """
CREATE TABLE IF NOT EXISTS frames (
    arrival INTEGER PRIMARY KEY AUTOINCREMENT,
    arrival_us INTEGER NOT NULL,       -- monotonic clock of the machine
    arrival_unix_us INTEGER NOT NULL,  -- its wall clock
    device TEXT NOT NULL,
    boot INTEGER NOT NULL,
    frame_index INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    historical INTEGER NOT NULL,
    hub TEXT NOT NULL,
    bundle_first INTEGER NOT NULL,
    frame BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS frames_of_device ON frames (device, kind);
CREATE TABLE IF NOT EXISTS latest (
    device TEXT NOT NULL,
    channel TEXT NOT NULL,
    boot INTEGER NOT NULL,
    time_us INTEGER NOT NULL,          -- boot clock of the device
    value INTEGER NOT NULL,
    exponent INTEGER NOT NULL,
    multiplier INTEGER NOT NULL,
    unit TEXT NOT NULL,
    PRIMARY KEY (device, channel)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
"""

INSERT_FRAME = """
INSERT INTO frames (arrival_us, arrival_unix_us, device, boot, frame_index, lane, kind, historical,
                    hub, bundle_first, frame)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# Newer by the device's own clock, never by the order of arrival: backlog comes after live data.
UPSERT_LATEST = """
INSERT INTO latest VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (device, channel) DO UPDATE SET
    boot = excluded.boot, time_us = excluded.time_us, value = excluded.value,
    exponent = excluded.exponent, multiplier = excluded.multiplier, unit = excluded.unit
WHERE (excluded.boot, excluded.time_us) > (latest.boot, latest.time_us)
"""

ADD_COUNT = """
INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count
"""


class AcceptedFrame(NamedTuple):
    """One frame on its way into the archive; the columns of `frames` in their order."""

    arrival_us: int
    arrival_unix_us: int
    device: str
    boot: int
    frame_index: int
    lane: int
    kind: int
    historical: bool
    hub: str
    bundle_first: int
    frame: bytes


class Latest(NamedTuple):
    """The newest reading of one channel by the device's clock: boot, then time_us of that boot."""

    device: str
    channel: str
    boot: int
    time_us: int
    value: int
    exponent: int
    multiplier: int
    unit: str


class Arrival(NamedTuple):
    """One row of the archive without its bytes. number: 1, 2, .. in the order of arrival."""

    number: int
    arrival_us: int
    arrival_unix_us: int
    device: str
    boot: int
    frame_index: int
    lane: int
    kind: int
    historical: bool
    hub: str
    bundle_first: int


class Reading(NamedTuple):
    """value * multiplier * 10**exponent at time_us after boot; scale: (exponent, multiplier)."""

    time_us: int
    value: int
    scale: tuple[int, int]


class ArchiveWriter:
    """The one writer. It may be used from one thread at a time, whichever that is."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(
            directory / FILE_NAME,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(SCHEMA)

    def held(self) -> dict[tuple[str, int], Ranges]:
        """Return the indexes of all archived frames by (device, boot)."""
        held: dict[tuple[str, int], Ranges] = {}
        query = "SELECT device, boot, frame_index FROM frames ORDER BY device, boot, frame_index"
        for device, boot, index in self._database.execute(query):
            held.setdefault((device, boot), Ranges()).add(index)
        return held

    def append(
        self,
        frames: Iterable[AcceptedFrame],
        latest: Iterable[Latest],
        counts: Mapping[str, int],
    ) -> None:
        """Store all of it or nothing; durable against the death of this process on return."""
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            database.executemany(INSERT_FRAME, frames)
            database.executemany(UPSERT_LATEST, latest)
            database.executemany(ADD_COUNT, counts.items())
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:  # a full disk rolls back by itself
                database.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file; its write-ahead log goes into it."""
        self._database.close()


class Archive:
    """Reads an archive, also while the platform writes it. Every call sees the newest commit.

    personal_keys: device -> seal key (protocols.cose.DeviceKeys.seal_key), for those whose
    readings are encrypted; the platform itself has none of them.
    """

    def __init__(
        self, directory: Path | str, personal_keys: Mapping[str, bytes] | None = None
    ) -> None:
        uri = f"{(Path(directory) / FILE_NAME).resolve().as_uri()}?mode=ro"
        self._database = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S)
        self._personal_keys = dict(personal_keys or {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def arrivals(self, after: int = 0) -> Iterator[Arrival]:
        """Yield the rows that came after the row of that number, in the order of arrival."""
        query = """SELECT arrival, arrival_us, arrival_unix_us, device, boot, frame_index, lane,
                   kind, historical, hub, bundle_first
                   FROM frames WHERE arrival > ? ORDER BY arrival"""
        for row in self._database.execute(query, (after,)):
            arrival = Arrival(*row)
            yield arrival._replace(historical=bool(arrival.historical))

    def identities(self) -> Iterator[tuple[str, int, int]]:
        """Yield (device, boot, index) of every row as it arrived; one stored twice comes twice."""
        query = "SELECT device, boot, frame_index FROM frames ORDER BY arrival"
        yield from self._database.execute(query)

    def frames(self, device: str | None = None, kind: int | None = None) -> Iterator[bytes]:
        """Yield the frames as they came, of one device or kind or of all, oldest arrival first."""
        for _, frame in self._frames(device, kind):
            yield frame

    def records(self, kind: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (sender, fields) of the gaps, clocks, modes or notices (protocols.records)."""
        for device, frame in self._frames(None, kind):
            yield device, decode_record(_payload(device, frame))[5]

    def timed_records(self, kind: int) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Yield (sender, when on the sender's clock in us, fields) of such records."""
        for device, frame in self._frames(None, kind):
            record = decode_record(_payload(device, frame))
            yield device, record[4], record[5]

    def utc_reader(self) -> UtcReader:
        """Return what tells the UTC of a reading, fed with all clock records."""
        reader = UtcReader()
        for hub, frame in self._frames(None, KIND_CLOCK):
            _, boot, index, lane, at_us, fields = decode_record(_payload(hub, frame))
            reader.feed(hub, (boot, index, lane, at_us), fields)
        return reader

    def readings(self, device: str, channel: str, boot: int | None = None) -> list[Reading]:
        """Return the readings of one channel in the order of boot and time; of one boot or of all.

        Raw integers, so that a test can compare them with what a chip held. A reading that was
        archived twice is there twice.
        """
        found = []
        for batch in self._batches(device):
            if boot is not None and batch.boot != boot:
                continue
            for series in batch.series or ():
                if series.channel == channel:
                    scale = (series.exponent, series.multiplier)
                    for position, value in enumerate(series.values):
                        reading = Reading(series.time_us(position), value, scale)
                        found.append((batch.boot, reading))
        found.sort(key=lambda one: (one[0], one[1].time_us))
        return [reading for _, reading in found]

    def readings_count(self) -> int:
        """Return how many readings all frames hold; encrypted ones count where there is a key."""
        return sum(batch.readings_count() for batch in self._batches(None))

    def latest(self) -> dict[tuple[str, str], Latest]:
        """Return the newest reading by (device, channel)."""
        rows = self._database.execute("SELECT * FROM latest ORDER BY device, channel")
        return {(row[0], row[1]): Latest(*row) for row in rows}

    def counts(self) -> dict[str, Any]:
        """Return accepted, redelivered, bundles and refused by reason, since the archive began."""
        held = dict(self._database.execute("SELECT name, count FROM counts"))
        refused = {
            name.removeprefix(REFUSED): count
            for name, count in held.items()
            if name.startswith(REFUSED)
        }
        (accepted,) = self._database.execute("SELECT count(*) FROM frames").fetchone()
        return {
            "bundles": held.get("bundles", 0),
            "accepted": accepted,
            "redelivered": held.get("redelivered", 0),
            "refused": refused,
        }

    def statistics(self) -> dict[str, Any]:
        """Return counts() and what the frames are: devices, bytes, historical, by lane."""
        query = """SELECT count(DISTINCT device), coalesce(sum(length(frame)), 0),
                   coalesce(sum(historical), 0) FROM frames"""
        devices, size, historical = self._database.execute(query).fetchone()
        lanes = dict(self._database.execute("SELECT lane, count(*) FROM frames GROUP BY lane"))
        return self.counts() | {
            "devices": devices,
            "frames_size": size,
            "historical": historical,
            "lanes": {name: lanes.get(lane, 0) for lane, name in enumerate(LANE_NAMES)},
        }

    def _frames(self, device: str | None, kind: int | None) -> Iterator[tuple[str, bytes]]:
        query = """SELECT device, frame FROM frames
                   WHERE (?1 IS NULL OR device = ?1) AND (?2 IS NULL OR kind = ?2)
                   ORDER BY arrival"""
        yield from self._database.execute(query, (device, kind))

    def _batches(self, device: str | None) -> Iterator[Batch]:
        for sender, frame in self._frames(device, KIND_BATCH):
            yield decode_batch(_payload(sender, frame), self._personal_keys.get(sender))


def _payload(device: str, frame: bytes) -> bytes:
    # The ingress has checked the code; the archive has no keys.
    return Mac0(device, bytes(KEY_SIZE)).peek(frame)
