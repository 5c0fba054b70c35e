-- Messages to people. A row outlives what it came from.
CREATE TABLE notices (
    project_id UUID NOT NULL,
    id UUID NOT NULL,
    bot_id UUID,
    member_id UUID,
    heartbeat_id UUID,
    execution_id UUID,
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
    CONSTRAINT notices_priority_is_known CHECK (priority IN ('low', 'normal', 'urgent'))
);

CREATE INDEX notices_by_time ON notices (project_id, created_at, id);
