-- Agents. A deleted one stays as a row, because an open execution of it must still find its end.
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
    deleted_at BIGINT,
    CONSTRAINT bots_id_key UNIQUE (project_id, id),
    CONSTRAINT bots_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT bots_id_is_a_uuid CHECK (length(id) = 16)
);
