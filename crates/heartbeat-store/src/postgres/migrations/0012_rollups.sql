-- Counts of ended executions by UTC day, written with the rows that they count.
-- `heartbeat_id` is the nil UUID where there is no heartbeat.
CREATE TABLE rollups (
    project_id UUID NOT NULL,
    bot_id UUID NOT NULL,
    day BIGINT NOT NULL,
    heartbeat_id UUID NOT NULL,
    kind TEXT NOT NULL,
    success BIGINT NOT NULL,
    error BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    credits BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    CONSTRAINT rollups_pkey PRIMARY KEY (project_id, bot_id, day, heartbeat_id, kind)
);
