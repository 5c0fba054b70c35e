-- What a node says of itself with each renewal. An older binary writes rows without it, which then
-- show nothing; it can go on against this schema.
ALTER TABLE nodes ADD COLUMN version TEXT NOT NULL DEFAULT '';
ALTER TABLE nodes ADD COLUMN slots INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN busy INTEGER NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN draining BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE nodes ADD COLUMN clock_offset_ms INTEGER;
