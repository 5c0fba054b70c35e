-- Agents. A deleted one stays as a row, because an open execution of it must still find its end.
CREATE TABLE bots (
    number BIGINT GENERATED ALWAYS AS IDENTITY,
    project_id UUID NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    model TEXT NOT NULL,
    instruction TEXT NOT NULL,
    status BOOLEAN NOT NULL,
    heartbeat BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    CONSTRAINT bots_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT bots_number_key UNIQUE (project_id, number),
    CONSTRAINT bots_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id)
);
