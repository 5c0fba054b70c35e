-- The hosts that an agent's pages and watches on web addresses may be on, as a JSON list; null where
-- nobody has said. An older binary reads and writes the table without it, and lets an agent that
-- reads private data fetch no page at all.
ALTER TABLE bots ADD COLUMN web_hosts TEXT;
