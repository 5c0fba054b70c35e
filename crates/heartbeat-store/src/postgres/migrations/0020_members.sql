-- Subscribers, as far as budgets know them: how much may be drawn for one in a month.
CREATE TABLE members (
    project_id UUID NOT NULL,
    id UUID NOT NULL,
    credit_limit BIGINT,
    CONSTRAINT members_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT members_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id)
);
