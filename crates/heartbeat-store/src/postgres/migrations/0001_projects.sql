-- Customers. Everything else belongs to one. The first migration; older binaries do not exist.
CREATE TABLE projects (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    paused_at BIGINT,
    created_at BIGINT NOT NULL,
    CONSTRAINT projects_pkey PRIMARY KEY (id),
    CONSTRAINT projects_name_key UNIQUE (name),
    CONSTRAINT projects_name_is_not_empty CHECK (name <> '')
);
