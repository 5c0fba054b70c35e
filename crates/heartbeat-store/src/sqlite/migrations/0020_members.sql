-- Subscribers, as far as budgets know them: how much may be drawn for one in a month.
CREATE TABLE members (
    project_id BLOB NOT NULL,
    id BLOB NOT NULL,
    credit_limit BIGINT,
    CONSTRAINT members_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT members_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT members_id_is_a_uuid CHECK (length(id) = 16)
) WITHOUT ROWID;
