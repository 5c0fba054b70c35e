-- The history in parts, a month each, so that what nobody keeps any more is dropped and not deleted:
-- executions by when they were due, steps by the time that their execution's id begins with. What
-- there is becomes the first part of each, up to the end of its newest month; whatever has no part of
-- its own yet is in `…_other`. Parts are made ahead by the nodes, not here.
--
-- The key of an execution gets its due time, since a key has to name its part; that an id is one of a
-- kind follows from how ids are made. An older binary goes on: its statements name none of this.
ALTER TABLE executions RENAME TO executions_first;
ALTER TABLE executions_first DROP CONSTRAINT executions_pkey;
ALTER TABLE executions_first ADD CONSTRAINT executions_first_pkey
    PRIMARY KEY (project_id, id, due_at);
ALTER TABLE executions_first RENAME CONSTRAINT executions_fire_key TO executions_first_fire_key;
ALTER INDEX executions_held RENAME TO executions_first_held;
ALTER INDEX executions_claimable RENAME TO executions_first_claimable;
ALTER INDEX executions_asked_to_stop RENAME TO executions_first_asked_to_stop;
ALTER INDEX executions_by_bot RENAME TO executions_first_by_bot;
ALTER INDEX executions_to_review RENAME TO executions_first_to_review;

CREATE TABLE executions (
    LIKE executions_first INCLUDING CONSTRAINTS,
    CONSTRAINT executions_pkey PRIMARY KEY (project_id, id, due_at),
    CONSTRAINT executions_fire_key UNIQUE (project_id, heartbeat_id, due_at)
) PARTITION BY RANGE (due_at);
CREATE INDEX executions_held ON executions (holder) WHERE holder IS NOT NULL;
CREATE INDEX executions_claimable ON executions (claimable_at) WHERE claimable_at IS NOT NULL;
CREATE INDEX executions_asked_to_stop ON executions (holder)
    WHERE holder IS NOT NULL AND cancel_requested IS NOT NULL;
CREATE INDEX executions_by_bot ON executions (project_id, bot_id, created_at, id);
CREATE INDEX executions_to_review ON executions (project_id, created_at, id) WHERE needs_review;
CREATE TABLE executions_other PARTITION OF executions DEFAULT;

ALTER TABLE steps RENAME TO steps_first;
ALTER TABLE steps_first RENAME CONSTRAINT steps_pkey TO steps_first_pkey;
CREATE TABLE steps (
    LIKE steps_first INCLUDING CONSTRAINTS,
    CONSTRAINT steps_pkey PRIMARY KEY (project_id, execution_id, seq, attempt)
) PARTITION BY RANGE (execution_id);
CREATE TABLE steps_other PARTITION OF steps DEFAULT;

DO $$
DECLARE
    newest BIGINT;
    month TIMESTAMP;
    bound BIGINT;
BEGIN
    SELECT GREATEST(
        (SELECT MAX(due_at) FROM executions_first),
        (SELECT MAX(created_at) FROM executions_first)
    ) INTO newest;
    IF newest IS NULL THEN
        DROP TABLE executions_first, steps_first;
        RETURN;
    END IF;
    month := date_trunc('month', to_timestamp(newest / 1000.0) AT TIME ZONE 'UTC');
    bound := (EXTRACT(EPOCH FROM (month + INTERVAL '1 month')) * 1000)::BIGINT;
    EXECUTE format(
        'ALTER TABLE executions ATTACH PARTITION executions_first FOR VALUES FROM (MINVALUE) TO (%s)',
        bound
    );
    EXECUTE format(
        'ALTER TABLE steps ATTACH PARTITION steps_first FOR VALUES FROM (MINVALUE) TO (%L)',
        rpad(lpad(to_hex(bound), 12, '0'), 32, '0')::UUID
    );
    EXECUTE format('ALTER TABLE executions_first RENAME TO executions_to_%s', to_char(month, 'YYYY_MM'));
    EXECUTE format('ALTER TABLE steps_first RENAME TO steps_to_%s', to_char(month, 'YYYY_MM'));
END
$$;
