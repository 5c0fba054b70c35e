-- Why: agents reach tools on servers of their own. Headers are sealed as one value; the tools are
-- read and written with their server only, so they are kept in its row.
-- Old binaries: can run against it, because nothing that they know has changed.
CREATE TABLE tool_servers (
    project_id UUID NOT NULL,
    id UUID NOT NULL,
    bot_id UUID NOT NULL,
    label TEXT NOT NULL,
    url TEXT,
    declared_name TEXT,
    fresh TEXT NOT NULL,
    header_names TEXT NOT NULL,
    headers BYTEA,
    is_enabled BOOLEAN NOT NULL,
    trusted BOOLEAN NOT NULL,
    tools TEXT NOT NULL,
    trouble TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CONSTRAINT tool_servers_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT tool_servers_label_key UNIQUE (project_id, bot_id, label),
    CONSTRAINT tool_servers_bot_fkey
        FOREIGN KEY (project_id, bot_id) REFERENCES bots (project_id, id),
    CONSTRAINT tool_servers_are_in_one_place CHECK ((url IS NULL) <> (declared_name IS NULL)),
    CONSTRAINT tool_servers_fresh_is_known CHECK (fresh IN ('allowed', 'asks', 'off')),
    CONSTRAINT tool_servers_names_are_of_values CHECK ((headers IS NULL) = (header_names = '[]'))
);
