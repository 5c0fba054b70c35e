-- What the migrations come to. Kept equal by a test; change migrations, not this.

CREATE TABLE migrations (number BIGINT NOT NULL, name TEXT NOT NULL, needs BIGINT, CONSTRAINT migrations_pkey PRIMARY KEY (number));

CREATE TABLE projects (
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    paused_at BIGINT,
    created_at BIGINT NOT NULL, unsettled BIGINT,
    CONSTRAINT projects_pkey PRIMARY KEY (id),
    CONSTRAINT projects_name_key UNIQUE (name),
    CONSTRAINT projects_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT projects_name_is_not_empty CHECK (name <> '')
);

CREATE TABLE keys (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    scope TEXT NOT NULL,
    hash BLOB NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT keys_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT keys_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT keys_scope_is_known CHECK (scope IN ('admin', 'project', 'read_only')),
    CONSTRAINT keys_hash_is_sha256 CHECK (length(hash) = 32)
);

CREATE UNIQUE INDEX keys_by_hash ON keys (hash);

CREATE TABLE sign_ins (
    hash BLOB NOT NULL,
    project_id BLOB NOT NULL,
    expires_at BIGINT NOT NULL,
    session_hash BLOB, operator BOOLEAN NOT NULL DEFAULT FALSE,
    CONSTRAINT sign_ins_pkey PRIMARY KEY (hash),
    CONSTRAINT sign_ins_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT sign_ins_hash_is_sha256 CHECK (length(hash) = 32)
);

CREATE TABLE sessions (
    hash BLOB NOT NULL,
    project_id BLOB NOT NULL,
    expires_at BIGINT NOT NULL, operator BOOLEAN NOT NULL DEFAULT FALSE,
    CONSTRAINT sessions_pkey PRIMARY KEY (hash),
    CONSTRAINT sessions_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT sessions_hash_is_sha256 CHECK (length(hash) = 32)
);

CREATE TABLE bots (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    instruction TEXT NOT NULL,
    status BOOLEAN NOT NULL,
    heartbeat BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT, credit_limit BIGINT, web_hosts TEXT, unsettled BIGINT,
    CONSTRAINT bots_id_key UNIQUE (project_id, id),
    CONSTRAINT bots_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT bots_id_is_a_uuid CHECK (length(id) = 16)
);

CREATE TABLE nodes (
    id BLOB NOT NULL,
    name TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    awake_since BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    ended_at BIGINT, version TEXT NOT NULL DEFAULT '', slots INTEGER NOT NULL DEFAULT 0, busy INTEGER NOT NULL DEFAULT 0, draining BOOLEAN NOT NULL DEFAULT FALSE, clock_offset_ms INTEGER,
    CONSTRAINT nodes_pkey PRIMARY KEY (id),
    CONSTRAINT nodes_id_is_a_uuid CHECK (length(id) = 16)
);

CREATE INDEX nodes_open ON nodes (lease_until) WHERE ended_at IS NULL;

CREATE TABLE heartbeats (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    bot_id BLOB NOT NULL,
    member_id BLOB,
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
    open_execution_id BLOB,
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
    CONSTRAINT heartbeats_id_is_a_uuid CHECK (length(id) = 16),
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

CREATE INDEX heartbeats_due ON heartbeats (claimable_at, project_id, id)
    WHERE claimable_at IS NOT NULL;

CREATE INDEX heartbeats_due_by_project ON heartbeats (project_id, claimable_at, id)
    WHERE claimable_at IS NOT NULL;

CREATE INDEX heartbeats_by_bot ON heartbeats (project_id, bot_id, created_at, id);

CREATE TABLE pauses (
    project_id BLOB NOT NULL,
    heartbeat_id BLOB NOT NULL,
    since BIGINT NOT NULL,
    number BIGINT NOT NULL,
    reason TEXT NOT NULL,
    resumes_at BIGINT,
    ended_at BIGINT,
    CONSTRAINT pauses_pkey PRIMARY KEY (project_id, heartbeat_id, since, number)
);

CREATE UNIQUE INDEX pauses_open ON pauses (project_id, heartbeat_id) WHERE ended_at IS NULL;

CREATE TABLE executions (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    bot_id BLOB NOT NULL,
    heartbeat_id BLOB,
    member_id BLOB,
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
    holder BLOB,
    ended_by BLOB,
    claimable_at BIGINT,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    CONSTRAINT executions_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT executions_fire_key UNIQUE (project_id, heartbeat_id, due_at),
    CONSTRAINT executions_id_is_a_uuid CHECK (length(id) = 16),
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

CREATE TABLE steps (
    project_id BLOB NOT NULL,
    execution_id BLOB NOT NULL,
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
    ended_at BIGINT, repeat TEXT
    CONSTRAINT steps_repeat_is_known CHECK (repeat IN ('safe', 'by_effect_id', 'never')), within_ms BIGINT
    CONSTRAINT steps_within_is_not_negative CHECK (within_ms >= 0), settles_at BIGINT, late_sent_at BIGINT, decision TEXT
    CONSTRAINT steps_decision_is_known CHECK (decision IN ('done', 'not_done')), decided_by TEXT, decided_at BIGINT
    CONSTRAINT steps_decision_is_signed
        CHECK ((decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) = (decided_by IS NULL)),
    CONSTRAINT steps_pkey PRIMARY KEY (project_id, execution_id, seq, attempt),
    CONSTRAINT steps_kind_is_known CHECK (kind IN ('request', 'turn', 'call')),
    CONSTRAINT steps_state_is_known
        CHECK (state IN ('begun', 'done', 'failed', 'lost_turn', 'outcome_unknown')),
    CONSTRAINT steps_begun_have_no_end CHECK ((state = 'begun') = (ended_at IS NULL)),
    CONSTRAINT steps_reserve_only_while_begun CHECK (state = 'begun' OR micro_reserved = 0)
);

CREATE TABLE rollups (
    project_id BLOB NOT NULL,
    bot_id BLOB NOT NULL,
    day BIGINT NOT NULL,
    heartbeat_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    success BIGINT NOT NULL,
    error BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    credits BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    CONSTRAINT rollups_pkey PRIMARY KEY (project_id, bot_id, day, heartbeat_id, kind)
) WITHOUT ROWID;

CREATE TABLE notices (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    bot_id BLOB,
    member_id BLOB,
    heartbeat_id BLOB,
    execution_id BLOB,
    title TEXT NOT NULL,
    message TEXT NOT NULL,
    priority TEXT NOT NULL,
    action_url TEXT,
    topic TEXT,
    state TEXT,
    created_at BIGINT NOT NULL,
    read_at BIGINT,
    failed_at BIGINT,
    CONSTRAINT notices_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT notices_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT notices_priority_is_known CHECK (priority IN ('low', 'normal', 'urgent'))
);

CREATE INDEX notices_by_time ON notices (project_id, created_at, id);

CREATE TABLE topics (
    project_id BLOB NOT NULL,
    topic TEXT NOT NULL,
    state TEXT,
    CONSTRAINT topics_pkey PRIMARY KEY (project_id, topic)
) WITHOUT ROWID;

CREATE TABLE deliveries (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    notice_id BLOB NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT,
    last_error TEXT,
    ended_at BIGINT,
    CONSTRAINT deliveries_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT deliveries_channel_key UNIQUE (project_id, notice_id, channel),
    CONSTRAINT deliveries_notice_fkey
        FOREIGN KEY (project_id, notice_id) REFERENCES notices (project_id, id),
    CONSTRAINT deliveries_channel_is_known CHECK (channel IN ('webhook')),
    CONSTRAINT deliveries_state_is_known CHECK (state IN ('pending', 'delivered', 'failed')),
    CONSTRAINT deliveries_pending_are_due CHECK ((state = 'pending') = (due_at IS NOT NULL))
);

CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE facts (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT facts_pkey PRIMARY KEY (name)
);

CREATE TABLE tool_servers (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    bot_id BLOB NOT NULL,
    label TEXT NOT NULL,
    url TEXT,
    declared_name TEXT,
    fresh TEXT NOT NULL,
    header_names TEXT NOT NULL,
    headers BLOB,
    is_enabled BOOLEAN NOT NULL,
    trusted BOOLEAN NOT NULL,
    tools TEXT NOT NULL,
    trouble TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT tool_servers_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT tool_servers_label_key UNIQUE (project_id, bot_id, label),
    CONSTRAINT tool_servers_bot_fkey
        FOREIGN KEY (project_id, bot_id) REFERENCES bots (project_id, id),
    CONSTRAINT tool_servers_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT tool_servers_are_in_one_place CHECK ((url IS NULL) <> (declared_name IS NULL)),
    CONSTRAINT tool_servers_fresh_is_known CHECK (fresh IN ('allowed', 'asks', 'off')),
    CONSTRAINT tool_servers_names_are_of_values CHECK ((headers IS NULL) = (header_names = '[]'))
);

CREATE INDEX executions_to_review ON executions (project_id, created_at, id) WHERE needs_review;

CREATE TABLE "budgets" (
    project_id BLOB NOT NULL,
    scope TEXT NOT NULL,
    scope_id BLOB NOT NULL,
    period BIGINT NOT NULL,
    credit_limit BIGINT,
    used BIGINT NOT NULL,
    held BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    CONSTRAINT budgets_pkey PRIMARY KEY (project_id, scope, scope_id, period),
    CONSTRAINT budgets_scope_is_known CHECK (scope IN
        ('heartbeat', 'member', 'bot', 'project_day', 'project_month', 'balance')),
    CONSTRAINT budgets_are_not_negative CHECK (used >= 0 AND held >= 0 AND tokens >= 0)
) WITHOUT ROWID;

CREATE TABLE members (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    credit_limit BIGINT,
    CONSTRAINT members_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT members_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT members_id_is_a_uuid CHECK (length(id) = 16)
) WITHOUT ROWID;

CREATE TABLE credit_ledger (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    kind TEXT NOT NULL,
    day BIGINT NOT NULL,
    credits BIGINT NOT NULL,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT credit_ledger_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT credit_ledger_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT credit_ledger_id_is_a_uuid CHECK (length(id) = 16),
    CONSTRAINT credit_ledger_kind_is_known CHECK (kind IN ('added', 'drawn')),
    CONSTRAINT credit_ledger_drawn_is_taken CHECK (kind <> 'drawn' OR credits < 0)
);

CREATE UNIQUE INDEX credit_ledger_draws ON credit_ledger (project_id, day) WHERE kind = 'drawn';

CREATE INDEX credit_ledger_by_time ON credit_ledger (project_id, created_at, id);

CREATE TABLE receipts (
    id BLOB NOT NULL,
    CONSTRAINT receipts_pkey PRIMARY KEY (id)
) WITHOUT ROWID;

CREATE INDEX projects_unsettled ON projects (unsettled) WHERE unsettled IS NOT NULL;

CREATE INDEX bots_unsettled ON bots (unsettled) WHERE unsettled IS NOT NULL;
