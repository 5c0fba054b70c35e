-- Every time in which a heartbeat had no due moments, with its reason; being off is one of them.
CREATE TABLE pauses (
    project_id UUID NOT NULL,
    heartbeat_id UUID NOT NULL,
    since BIGINT NOT NULL,
    number BIGINT NOT NULL,
    reason TEXT NOT NULL,
    resumes_at BIGINT,
    ended_at BIGINT,
    CONSTRAINT pauses_pkey PRIMARY KEY (project_id, heartbeat_id, since, number)
);

-- A heartbeat stands still for one reason at a time.
CREATE UNIQUE INDEX pauses_open ON pauses (project_id, heartbeat_id) WHERE ended_at IS NULL;
