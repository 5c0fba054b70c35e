-- Codes of sign-in links, each good for one session.
CREATE TABLE sign_ins (
    hash BYTEA NOT NULL,
    project_id UUID NOT NULL,
    expires_at BIGINT NOT NULL,
    session_hash BYTEA,
    CONSTRAINT sign_ins_pkey PRIMARY KEY (hash),
    CONSTRAINT sign_ins_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT sign_ins_hash_is_sha256 CHECK (length(hash) = 32)
);
