-- The journal: what an execution asked of the world, and what it answered.
-- `micro_input_bound` is what a turn costs if its answer is lost; `max_tokens` what it was allowed.
CREATE TABLE steps (
    project_id UUID NOT NULL,
    execution_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    name TEXT NOT NULL,
    intent TEXT NOT NULL,
    result TEXT,
    notes TEXT NOT NULL,
    effect_id TEXT,
    tokens BIGINT NOT NULL,
    max_tokens BIGINT NOT NULL,
    micro_reserved BIGINT NOT NULL,
    micro_input_bound BIGINT NOT NULL,
    micro_charged BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    begun_at BIGINT NOT NULL,
    ended_at BIGINT,
    CONSTRAINT steps_pkey PRIMARY KEY (project_id, execution_id, seq, attempt),
    CONSTRAINT steps_kind_is_known CHECK (kind IN ('request', 'turn', 'call')),
    CONSTRAINT steps_state_is_known
        CHECK (state IN ('begun', 'done', 'failed', 'lost_turn', 'outcome_unknown')),
    CONSTRAINT steps_begun_have_no_end CHECK ((state = 'begun') = (ended_at IS NULL)),
    CONSTRAINT steps_reserve_only_while_begun CHECK (state = 'begun' OR micro_reserved = 0)
);
