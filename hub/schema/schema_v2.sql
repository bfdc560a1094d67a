-- Version 2 of the hub's store: what version 1 has, and

-- A checksum in every row (row_crc of hub.database over the table's name and the other columns), for SQLite has none:
-- a flipped bit in a number would otherwise be taken for the number. NULL in a chunk: it is of version 1; its frames'
-- own codes say whether it is whole.
ALTER TABLE chunk ADD COLUMN crc INTEGER;
ALTER TABLE seen ADD COLUMN crc INTEGER;
ALTER TABLE lane ADD COLUMN crc INTEGER;
ALTER TABLE cursor ADD COLUMN crc INTEGER;
ALTER TABLE clock ADD COLUMN crc INTEGER;
ALTER TABLE meta ADD COLUMN crc INTEGER;
UPDATE seen SET crc = row_crc('seen', device, boot, ranges);
UPDATE lane SET crc = row_crc('lane', lane, following);
UPDATE cursor SET crc = row_crc('cursor', uplink, lane, live, backlog, delivered, evicted);
UPDATE clock SET crc = row_crc('clock', device, boot, device_us, utc_us, uncertainty_us, rate_ppb);
UPDATE meta SET crc = row_crc('meta', key, value);

-- What was lost and who changed what (hub.ledger). Rows are added, never changed: each hash covers the row and the
-- hash before it. body: a JSON array of the kind's fields.
CREATE TABLE ledger (sequence INTEGER PRIMARY KEY, at_utc_us INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
                     hash BLOB NOT NULL);
