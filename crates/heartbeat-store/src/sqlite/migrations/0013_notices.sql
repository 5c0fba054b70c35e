-- Messages to people. A row outlives what it came from.
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
