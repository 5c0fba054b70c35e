-- Sessions of the dashboard by the hash of their cookie.
CREATE TABLE sessions (
    hash BYTEA NOT NULL,
    project_id UUID NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (hash),
    CONSTRAINT sessions_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT sessions_hash_is_sha256 CHECK (length(hash) = 32)
);
