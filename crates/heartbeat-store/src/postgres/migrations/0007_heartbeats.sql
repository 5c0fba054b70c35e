-- Standing instructions, with the state that fires move. `claimable_at` is what the due query
-- reads; it is absent while an execution is open, and while nothing will make it due by itself.
CREATE TABLE heartbeats (
    project_id UUID NOT NULL,
    id UUID NOT NULL,
    bot_id UUID NOT NULL,
    member_id UUID,
    label TEXT,
    prompt TEXT NOT NULL,
    run_model TEXT,
    interval_minutes BIGINT,
    cron_pattern TEXT,
    active_hours_start TEXT,
    active_hours_end TEXT,
    active_days TEXT,
    timezone TEXT NOT NULL,
    watch TEXT,
    credit_budget BIGINT,
    max_consecutive_errors BIGINT NOT NULL,
    catch_up_minutes BIGINT,
    spread_minutes BIGINT NOT NULL,
    enabled BOOLEAN NOT NULL,
    paused_reason TEXT,
    paused_since BIGINT,
    resumes_at BIGINT,
    next_due_at BIGINT,
    next_anchor BIGINT,
    grid_since BIGINT,
    claimable_at BIGINT,
    open_execution_id UUID,
    open_due_at BIGINT,
    error_count BIGINT NOT NULL,
    execution_count BIGINT NOT NULL,
    last_executed_at BIGINT,
    last_status TEXT,
    baseline TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT heartbeats_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT heartbeats_bot_fkey FOREIGN KEY (project_id, bot_id) REFERENCES bots (project_id, id),
    CONSTRAINT heartbeats_have_one_cadence
        CHECK ((interval_minutes IS NULL) <> (cron_pattern IS NULL)),
    CONSTRAINT heartbeats_pause_has_a_start
        CHECK ((paused_reason IS NULL) = (paused_since IS NULL)),
    CONSTRAINT heartbeats_resume_only_from_a_pause
        CHECK (resumes_at IS NULL OR paused_reason IS NOT NULL),
    CONSTRAINT heartbeats_next_has_an_anchor
        CHECK ((next_due_at IS NULL) = (next_anchor IS NULL)),
    CONSTRAINT heartbeats_open_run_has_a_due_time
        CHECK ((open_execution_id IS NULL) = (open_due_at IS NULL)),
    CONSTRAINT heartbeats_are_not_claimable_while_open
        CHECK (open_execution_id IS NULL OR claimable_at IS NULL),
    CONSTRAINT heartbeats_off_are_not_claimable
        CHECK (enabled OR claimable_at IS NULL)
);

-- What is due, across projects; the key too, so that a look reads no rows that are not taken.
CREATE INDEX heartbeats_due ON heartbeats (claimable_at, project_id, id)
    WHERE claimable_at IS NOT NULL;

-- What is due within a project: a backlog of one project is stepped over, not read through.
CREATE INDEX heartbeats_due_by_project ON heartbeats (project_id, claimable_at, id)
    WHERE claimable_at IS NOT NULL;

CREATE INDEX heartbeats_by_bot ON heartbeats (project_id, bot_id, created_at, id);
