-- Version 1 of the hub's store.

-- Small facts: schema, hub boot number, mode.
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- Frames as they came, each with its length prefix of two bytes, the frames of one lane and one commit together.
-- id = lane << 48 | sequence number of the first frame in its lane. One row for many frames is what makes an
-- fsynced frame cost about a microsecond.
CREATE TABLE chunk (id INTEGER PRIMARY KEY, count INTEGER NOT NULL, frames BLOB NOT NULL);

-- Which (device, boot, index) were ever accepted: flat pairs first, next, each 8 bytes little-endian. Never deleted
-- with the frames.
CREATE TABLE seen (device TEXT, boot INTEGER, ranges BLOB NOT NULL, PRIMARY KEY (device, boot)) WITHOUT ROWID;

-- How far each lane has ever been numbered, and how many bytes it holds.
CREATE TABLE lane (lane INTEGER PRIMARY KEY, following INTEGER NOT NULL, bytes INTEGER NOT NULL);

-- What an uplink has acknowledged: all below `live` but for the ranges of `backlog` (flat pairs, as in seen).
CREATE TABLE cursor (uplink TEXT, lane INTEGER, live INTEGER NOT NULL, backlog BLOB NOT NULL,
                     delivered INTEGER NOT NULL, evicted INTEGER NOT NULL, PRIMARY KEY (uplink, lane)) WITHOUT ROWID;

-- The device clock on UTC, for (device, boot): device_us was utc_us.
CREATE TABLE clock (device TEXT, boot INTEGER, device_us INTEGER NOT NULL, utc_us INTEGER NOT NULL,
                    uncertainty_us INTEGER NOT NULL, rate_ppb INTEGER NOT NULL, PRIMARY KEY (device, boot)) WITHOUT ROWID;
