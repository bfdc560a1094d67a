-- Version 2 of the hub's store: what version 1 has, and

-- A checksum in every row (row_crc of hub.database over the table's name and the other columns), for SQLite has none:
-- a flipped bit in a number would otherwise be taken for the number. NULL in a chunk: it is of version 1; its frames'
-- own codes say whether it is whole.
ALTER TABLE chunk ADD COLUMN crc INTEGER;
ALTER TABLE lane ADD COLUMN crc INTEGER;
ALTER TABLE cursor ADD COLUMN crc INTEGER;
ALTER TABLE clock ADD COLUMN crc INTEGER;
ALTER TABLE meta ADD COLUMN crc INTEGER;

-- As in version 1, but a row for each block of 4096 indexes (hub.seen), so that a commit writes little of a boot that
-- is in many pieces. What version 1 had of a boot becomes its block 0; the next start cuts it.
CREATE TABLE seen_blocks (device TEXT, boot INTEGER, block INTEGER, ranges BLOB NOT NULL, crc INTEGER,
                          PRIMARY KEY (device, boot, block)) WITHOUT ROWID;
INSERT INTO seen_blocks SELECT device, boot, 0, ranges, row_crc('seen', device, boot, 0, ranges) FROM seen;
DROP TABLE seen;
ALTER TABLE seen_blocks RENAME TO seen;
UPDATE lane SET crc = row_crc('lane', lane, following);
UPDATE cursor SET crc = row_crc('cursor', uplink, lane, live, backlog, delivered, evicted);
UPDATE clock SET crc = row_crc('clock', device, boot, device_us, utc_us, uncertainty_us, rate_ppb);
UPDATE meta SET crc = row_crc('meta', key, value);

-- What was lost and who changed what (hub.ledger). Rows are added, never changed: each hash covers the row and the
-- hash before it. body: a JSON array of the kind's fields.
CREATE TABLE ledger (sequence INTEGER PRIMARY KEY, at_utc_us INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
                     hash BLOB NOT NULL);

-- Frames that an uplink's platform refused for their own sake (hub.dead_letters). retry: an operator wants another try;
-- it is outside of the checksum.
CREATE TABLE dead_letter (uplink TEXT, lane INTEGER, sequence INTEGER, reason TEXT NOT NULL, tries INTEGER NOT NULL,
                          at_utc_us INTEGER NOT NULL, frame BLOB NOT NULL, crc INTEGER,
                          retry INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (uplink, lane, sequence));
