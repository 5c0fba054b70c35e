-- What the migrations come to. Kept equal by a test; change migrations, not this.

CREATE TABLE migrations (
    number bigint NOT NULL,
    name text NOT NULL,
    needs bigint,
    CONSTRAINT migrations_pkey PRIMARY KEY (number)
);

CREATE TABLE projects (
    id uuid NOT NULL,
    name text NOT NULL,
    plan text NOT NULL,
    paused_at bigint,
    created_at bigint NOT NULL,
    unsettled bigint,
    CONSTRAINT projects_name_is_not_empty CHECK ((name <> ''::text)),
    CONSTRAINT projects_pkey PRIMARY KEY (id),
    CONSTRAINT projects_name_key UNIQUE (name)
);

CREATE INDEX projects_unsettled ON projects USING btree (unsettled) WHERE (unsettled IS NOT NULL);

CREATE TABLE keys (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    scope text NOT NULL,
    hash bytea NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT keys_scope_is_known CHECK ((scope = ANY (ARRAY['admin'::text, 'project'::text, 'read_only'::text]))),
    CONSTRAINT keys_hash_is_sha256 CHECK ((length(hash) = 32)),
    CONSTRAINT keys_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT keys_project_fkey FOREIGN KEY (project_id) REFERENCES projects(id)
);

CREATE UNIQUE INDEX keys_by_hash ON keys USING btree (hash);

CREATE TABLE sign_ins (
    hash bytea NOT NULL,
    project_id uuid NOT NULL,
    expires_at bigint NOT NULL,
    session_hash bytea,
    operator boolean NOT NULL,
    CONSTRAINT sign_ins_hash_is_sha256 CHECK ((length(hash) = 32)),
    CONSTRAINT sign_ins_pkey PRIMARY KEY (hash),
    CONSTRAINT sign_ins_project_fkey FOREIGN KEY (project_id) REFERENCES projects(id)
);

CREATE TABLE sessions (
    hash bytea NOT NULL,
    project_id uuid NOT NULL,
    expires_at bigint NOT NULL,
    operator boolean NOT NULL,
    CONSTRAINT sessions_hash_is_sha256 CHECK ((length(hash) = 32)),
    CONSTRAINT sessions_pkey PRIMARY KEY (hash),
    CONSTRAINT sessions_project_fkey FOREIGN KEY (project_id) REFERENCES projects(id)
);

CREATE TABLE bots (
    number bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    model text NOT NULL,
    instruction text NOT NULL,
    status boolean NOT NULL,
    heartbeat boolean NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    deleted_at bigint,
    credit_limit bigint,
    web_hosts text,
    unsettled bigint,
    CONSTRAINT bots_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT bots_number_key UNIQUE (project_id, number),
    CONSTRAINT bots_project_fkey FOREIGN KEY (project_id) REFERENCES projects(id)
);

CREATE INDEX bots_unsettled ON bots USING btree (unsettled) WHERE (unsettled IS NOT NULL);

CREATE TABLE nodes (
    id uuid NOT NULL,
    name text NOT NULL,
    started_at bigint NOT NULL,
    awake_since bigint NOT NULL,
    lease_until bigint NOT NULL,
    ended_at bigint,
    version text NOT NULL,
    slots bigint NOT NULL,
    busy bigint NOT NULL,
    draining boolean NOT NULL,
    clock_offset_ms bigint,
    CONSTRAINT nodes_pkey PRIMARY KEY (id)
);

CREATE INDEX nodes_open ON nodes USING btree (lease_until) WHERE (ended_at IS NULL);

CREATE TABLE heartbeats (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    bot_id uuid NOT NULL,
    member_id uuid,
    label text,
    prompt text NOT NULL,
    run_model text,
    interval_minutes bigint,
    cron_pattern text,
    active_hours_start text,
    active_hours_end text,
    active_days text,
    timezone text NOT NULL,
    watch text,
    credit_budget bigint,
    max_consecutive_errors bigint NOT NULL,
    catch_up_minutes bigint,
    spread_minutes bigint NOT NULL,
    enabled boolean NOT NULL,
    paused_reason text,
    paused_since bigint,
    resumes_at bigint,
    next_due_at bigint,
    next_anchor bigint,
    grid_since bigint,
    claimable_at bigint,
    open_execution_id uuid,
    open_due_at bigint,
    error_count bigint NOT NULL,
    execution_count bigint NOT NULL,
    last_executed_at bigint,
    last_status text,
    baseline text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    CONSTRAINT heartbeats_have_one_cadence CHECK (((interval_minutes IS NULL) <> (cron_pattern IS NULL))),
    CONSTRAINT heartbeats_pause_has_a_start CHECK (((paused_reason IS NULL) = (paused_since IS NULL))),
    CONSTRAINT heartbeats_resume_only_from_a_pause CHECK (((resumes_at IS NULL) OR (paused_reason IS NOT NULL))),
    CONSTRAINT heartbeats_next_has_an_anchor CHECK (((next_due_at IS NULL) = (next_anchor IS NULL))),
    CONSTRAINT heartbeats_open_run_has_a_due_time CHECK (((open_execution_id IS NULL) = (open_due_at IS NULL))),
    CONSTRAINT heartbeats_are_not_claimable_while_open CHECK (((open_execution_id IS NULL) OR (claimable_at IS NULL))),
    CONSTRAINT heartbeats_off_are_not_claimable CHECK ((enabled OR (claimable_at IS NULL))),
    CONSTRAINT heartbeats_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT heartbeats_bot_fkey FOREIGN KEY (project_id, bot_id) REFERENCES bots(project_id, id)
);

CREATE INDEX heartbeats_due ON heartbeats USING btree (claimable_at, project_id, id) WHERE (claimable_at IS NOT NULL);

CREATE INDEX heartbeats_due_by_project ON heartbeats USING btree (project_id, claimable_at, id) WHERE (claimable_at IS NOT NULL);

CREATE INDEX heartbeats_by_bot ON heartbeats USING btree (project_id, bot_id, created_at, id);

CREATE TABLE pauses (
    project_id uuid NOT NULL,
    heartbeat_id uuid NOT NULL,
    since bigint NOT NULL,
    number bigint NOT NULL,
    reason text NOT NULL,
    resumes_at bigint,
    ended_at bigint,
    CONSTRAINT pauses_pkey PRIMARY KEY (project_id, heartbeat_id, since, number)
);

CREATE UNIQUE INDEX pauses_open ON pauses USING btree (project_id, heartbeat_id) WHERE (ended_at IS NULL);

CREATE TABLE rollups (
    project_id uuid NOT NULL,
    bot_id uuid NOT NULL,
    day bigint NOT NULL,
    heartbeat_id uuid NOT NULL,
    kind text NOT NULL,
    success bigint NOT NULL,
    error bigint NOT NULL,
    skipped bigint NOT NULL,
    cancelled bigint NOT NULL,
    tokens bigint NOT NULL,
    credits bigint NOT NULL,
    duration_ms bigint NOT NULL,
    CONSTRAINT rollups_pkey PRIMARY KEY (project_id, bot_id, day, heartbeat_id, kind)
);

CREATE TABLE notices (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    bot_id uuid,
    member_id uuid,
    heartbeat_id uuid,
    execution_id uuid,
    title text NOT NULL,
    message text NOT NULL,
    priority text NOT NULL,
    action_url text,
    topic text,
    state text,
    created_at bigint NOT NULL,
    read_at bigint,
    failed_at bigint,
    CONSTRAINT notices_priority_is_known CHECK ((priority = ANY (ARRAY['low'::text, 'normal'::text, 'urgent'::text]))),
    CONSTRAINT notices_pkey PRIMARY KEY (project_id, id)
);

CREATE INDEX notices_by_time ON notices USING btree (project_id, created_at, id);

CREATE TABLE topics (
    project_id uuid NOT NULL,
    topic text NOT NULL,
    state text,
    CONSTRAINT topics_pkey PRIMARY KEY (project_id, topic)
);

CREATE TABLE deliveries (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    notice_id uuid NOT NULL,
    channel text NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL,
    due_at bigint,
    last_error text,
    ended_at bigint,
    CONSTRAINT deliveries_channel_is_known CHECK ((channel = 'webhook'::text)),
    CONSTRAINT deliveries_state_is_known CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'failed'::text]))),
    CONSTRAINT deliveries_pending_are_due CHECK (((state = 'pending'::text) = (due_at IS NOT NULL))),
    CONSTRAINT deliveries_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT deliveries_channel_key UNIQUE (project_id, notice_id, channel),
    CONSTRAINT deliveries_notice_fkey FOREIGN KEY (project_id, notice_id) REFERENCES notices(project_id, id)
);

CREATE INDEX deliveries_due ON deliveries USING btree (due_at) WHERE (due_at IS NOT NULL);

CREATE TABLE facts (
    name text NOT NULL,
    value text NOT NULL,
    CONSTRAINT facts_pkey PRIMARY KEY (name)
);

CREATE TABLE tool_servers (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    bot_id uuid NOT NULL,
    label text NOT NULL,
    url text,
    declared_name text,
    fresh text NOT NULL,
    header_names text NOT NULL,
    headers bytea,
    is_enabled boolean NOT NULL,
    trusted boolean NOT NULL,
    tools text NOT NULL,
    trouble text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    CONSTRAINT tool_servers_are_in_one_place CHECK (((url IS NULL) <> (declared_name IS NULL))),
    CONSTRAINT tool_servers_fresh_is_known CHECK ((fresh = ANY (ARRAY['allowed'::text, 'asks'::text, 'off'::text]))),
    CONSTRAINT tool_servers_names_are_of_values CHECK (((headers IS NULL) = (header_names = '[]'::text))),
    CONSTRAINT tool_servers_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT tool_servers_label_key UNIQUE (project_id, bot_id, label),
    CONSTRAINT tool_servers_bot_fkey FOREIGN KEY (project_id, bot_id) REFERENCES bots(project_id, id)
);

CREATE TABLE budgets (
    project_id uuid NOT NULL,
    scope text NOT NULL,
    scope_id uuid NOT NULL,
    period bigint NOT NULL,
    credit_limit bigint,
    used bigint NOT NULL,
    held bigint NOT NULL,
    tokens bigint NOT NULL,
    CONSTRAINT budgets_scope_is_known CHECK ((scope = ANY (ARRAY['heartbeat'::text, 'member'::text, 'bot'::text, 'project_day'::text, 'project_month'::text, 'balance'::text]))),
    CONSTRAINT budgets_are_not_negative CHECK (((used >= 0) AND (held >= 0) AND (tokens >= 0))),
    CONSTRAINT budgets_pkey PRIMARY KEY (project_id, scope, scope_id, period)
);

CREATE TABLE members (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    credit_limit bigint,
    CONSTRAINT members_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT members_project_fkey FOREIGN KEY (project_id) REFERENCES projects(id)
);

CREATE TABLE credit_ledger (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    day bigint NOT NULL,
    credits bigint NOT NULL,
    note text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT credit_ledger_kind_is_known CHECK ((kind = ANY (ARRAY['added'::text, 'drawn'::text]))),
    CONSTRAINT credit_ledger_drawn_is_taken CHECK (((kind <> 'drawn'::text) OR (credits < 0))),
    CONSTRAINT credit_ledger_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT credit_ledger_project_fkey FOREIGN KEY (project_id) REFERENCES projects(id)
);

CREATE UNIQUE INDEX credit_ledger_draws ON credit_ledger USING btree (project_id, day) WHERE (kind = 'drawn'::text);

CREATE INDEX credit_ledger_by_time ON credit_ledger USING btree (project_id, created_at, id);

CREATE TABLE receipts (
    id uuid NOT NULL,
    CONSTRAINT receipts_pkey PRIMARY KEY (id)
);

CREATE TABLE executions (
    project_id uuid NOT NULL,
    id uuid NOT NULL,
    bot_id uuid NOT NULL,
    heartbeat_id uuid,
    member_id uuid,
    kind text NOT NULL,
    triggered_by text NOT NULL,
    due_at bigint NOT NULL,
    phase text NOT NULL,
    status text,
    reason text,
    prompt text NOT NULL,
    response text NOT NULL,
    error_message text,
    tokens_used bigint NOT NULL,
    micro_spent bigint NOT NULL,
    micro_reserved bigint NOT NULL,
    credits_charged bigint NOT NULL,
    first_due_at bigint,
    last_due_at bigint,
    missed_count bigint,
    missed_reason text NOT NULL,
    needs_review boolean NOT NULL,
    cancel_requested text,
    fence bigint NOT NULL,
    holder uuid,
    ended_by uuid,
    claimable_at bigint,
    created_at bigint NOT NULL,
    started_at bigint,
    finished_at bigint,
    CONSTRAINT executions_pkey PRIMARY KEY (project_id, id, due_at),
    CONSTRAINT executions_fire_key UNIQUE (project_id, heartbeat_id, due_at),
    CONSTRAINT executions_amounts_are_not_negative CHECK (((tokens_used >= 0) AND (micro_spent >= 0) AND (micro_reserved >= 0) AND (credits_charged >= 0))),
    CONSTRAINT executions_are_held_or_claimable CHECK (((holder IS NULL) OR (claimable_at IS NULL))),
    CONSTRAINT executions_ended_are_let_go CHECK (((phase <> 'ended'::text) OR ((holder IS NULL) AND (claimable_at IS NULL)))),
    CONSTRAINT executions_ended_have_a_status CHECK (((phase = 'ended'::text) = (status IS NOT NULL))),
    CONSTRAINT executions_ended_have_an_end CHECK (((phase = 'ended'::text) = (finished_at IS NOT NULL))),
    CONSTRAINT executions_phase_is_known CHECK ((phase = ANY (ARRAY['running'::text, 'waiting'::text, 'ended'::text]))),
    CONSTRAINT executions_range_is_whole CHECK ((((first_due_at IS NULL) = (missed_count IS NULL)) AND ((last_due_at IS NULL) = (missed_count IS NULL)))),
    CONSTRAINT executions_skipped_cost_nothing CHECK (((status <> 'skipped'::text) OR (credits_charged = 0))),
    CONSTRAINT executions_status_is_known CHECK (((status IS NULL) OR (status = ANY (ARRAY['success'::text, 'error'::text, 'skipped'::text, 'cancelled'::text]))))
) PARTITION BY RANGE (due_at);

CREATE TABLE executions_other PARTITION OF executions DEFAULT;

CREATE INDEX executions_held ON ONLY public.executions USING btree (holder) WHERE (holder IS NOT NULL);

CREATE INDEX executions_claimable ON ONLY public.executions USING btree (claimable_at) WHERE (claimable_at IS NOT NULL);

CREATE INDEX executions_asked_to_stop ON ONLY public.executions USING btree (holder) WHERE ((holder IS NOT NULL) AND (cancel_requested IS NOT NULL));

CREATE INDEX executions_by_bot ON ONLY public.executions USING btree (project_id, bot_id, created_at, id);

CREATE INDEX executions_to_review ON ONLY public.executions USING btree (project_id, created_at, id) WHERE needs_review;

CREATE TABLE steps (
    project_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    seq bigint NOT NULL,
    attempt bigint NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    name text NOT NULL,
    intent text NOT NULL,
    result text,
    notes text NOT NULL,
    effect_id text,
    tokens bigint NOT NULL,
    max_tokens bigint NOT NULL,
    micro_reserved bigint NOT NULL,
    micro_input_bound bigint NOT NULL,
    micro_charged bigint NOT NULL,
    fence bigint NOT NULL,
    begun_at bigint NOT NULL,
    ended_at bigint,
    repeat text,
    within_ms bigint,
    settles_at bigint,
    late_sent_at bigint,
    decision text,
    decided_by text,
    decided_at bigint,
    CONSTRAINT steps_pkey PRIMARY KEY (project_id, execution_id, seq, attempt),
    CONSTRAINT steps_begun_have_no_end CHECK (((state = 'begun'::text) = (ended_at IS NULL))),
    CONSTRAINT steps_decision_is_known CHECK ((decision = ANY (ARRAY['done'::text, 'not_done'::text]))),
    CONSTRAINT steps_decision_is_signed CHECK ((((decision IS NULL) = (decided_at IS NULL)) AND ((decision IS NULL) = (decided_by IS NULL)))),
    CONSTRAINT steps_kind_is_known CHECK ((kind = ANY (ARRAY['request'::text, 'turn'::text, 'call'::text]))),
    CONSTRAINT steps_repeat_is_known CHECK ((repeat = ANY (ARRAY['safe'::text, 'by_effect_id'::text, 'never'::text]))),
    CONSTRAINT steps_reserve_only_while_begun CHECK (((state = 'begun'::text) OR (micro_reserved = 0))),
    CONSTRAINT steps_state_is_known CHECK ((state = ANY (ARRAY['begun'::text, 'done'::text, 'failed'::text, 'lost_turn'::text, 'outcome_unknown'::text]))),
    CONSTRAINT steps_within_is_not_negative CHECK ((within_ms >= 0))
) PARTITION BY RANGE (execution_id);

CREATE TABLE steps_other PARTITION OF steps DEFAULT;
