-- API keys by the hash of their secret, which is shown once and never kept.
CREATE TABLE keys (
    project_id UUID NOT NULL,
    id UUID NOT NULL,
    scope TEXT NOT NULL,
    hash BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT keys_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT keys_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT keys_scope_is_known CHECK (scope IN ('admin', 'project', 'read_only')),
    CONSTRAINT keys_hash_is_sha256 CHECK (length(hash) = 32)
);

-- Whoever presents a key has not said yet which project is meant.
CREATE UNIQUE INDEX keys_by_hash ON keys (hash);
