-- Incarnations of processes and their leases. Nodes belong to no project.
CREATE TABLE nodes (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    awake_since BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    ended_at BIGINT,
    CONSTRAINT nodes_pkey PRIMARY KEY (id)
);

CREATE INDEX nodes_open ON nodes (lease_until) WHERE ended_at IS NULL;
