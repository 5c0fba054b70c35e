-- When a switch above heartbeats was last set, for as long as they are not all marked as it says;
-- so that whoever comes next can go on where somebody stopped. A binary from before marks all it
-- switches in one transaction and goes on.
ALTER TABLE projects ADD COLUMN unsettled BIGINT;

ALTER TABLE bots ADD COLUMN unsettled BIGINT;

CREATE INDEX projects_unsettled ON projects (unsettled) WHERE unsettled IS NOT NULL;

CREATE INDEX bots_unsettled ON bots (unsettled) WHERE unsettled IS NOT NULL;
