-- The record of carrying out fires, or of not doing so. A row outlives its heartbeat and agent, so
-- it refers to them without a foreign key. An open row is in exactly one of two small indexes: with
-- a holder, or waiting for one.
CREATE TABLE executions (
    project_id UUID NOT NULL,
    id UUID NOT NULL,
    bot_id UUID NOT NULL,
    heartbeat_id UUID,
    member_id UUID,
    kind TEXT NOT NULL,
    triggered_by TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    phase TEXT NOT NULL,
    status TEXT,
    reason TEXT,
    prompt TEXT NOT NULL,
    response TEXT NOT NULL,
    error_message TEXT,
    tokens_used BIGINT NOT NULL,
    micro_spent BIGINT NOT NULL,
    micro_reserved BIGINT NOT NULL,
    credits_charged BIGINT NOT NULL,
    first_due_at BIGINT,
    last_due_at BIGINT,
    missed_count BIGINT,
    missed_reason TEXT NOT NULL,
    needs_review BOOLEAN NOT NULL,
    cancel_requested TEXT,
    fence BIGINT NOT NULL,
    holder UUID,
    ended_by UUID,
    claimable_at BIGINT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    CONSTRAINT executions_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT executions_fire_key UNIQUE (project_id, heartbeat_id, due_at),
    CONSTRAINT executions_phase_is_known CHECK (phase IN ('running', 'waiting', 'ended')),
    CONSTRAINT executions_status_is_known
        CHECK (status IS NULL OR status IN ('success', 'error', 'skipped', 'cancelled')),
    CONSTRAINT executions_ended_have_a_status CHECK ((phase = 'ended') = (status IS NOT NULL)),
    CONSTRAINT executions_ended_have_an_end CHECK ((phase = 'ended') = (finished_at IS NOT NULL)),
    CONSTRAINT executions_ended_are_let_go
        CHECK (phase <> 'ended' OR (holder IS NULL AND claimable_at IS NULL)),
    CONSTRAINT executions_are_held_or_claimable CHECK (holder IS NULL OR claimable_at IS NULL),
    CONSTRAINT executions_range_is_whole
        CHECK ((first_due_at IS NULL) = (missed_count IS NULL)
            AND (last_due_at IS NULL) = (missed_count IS NULL)),
    CONSTRAINT executions_skipped_cost_nothing CHECK (status <> 'skipped' OR credits_charged = 0),
    CONSTRAINT executions_amounts_are_not_negative
        CHECK (tokens_used >= 0 AND micro_spent >= 0 AND micro_reserved >= 0
            AND credits_charged >= 0)
);

CREATE INDEX executions_held ON executions (holder) WHERE holder IS NOT NULL;

CREATE INDEX executions_claimable ON executions (claimable_at) WHERE claimable_at IS NOT NULL;

CREATE INDEX executions_asked_to_stop ON executions (holder)
    WHERE holder IS NOT NULL AND cancel_requested IS NOT NULL;

CREATE INDEX executions_by_bot ON executions (project_id, bot_id, created_at, id);
