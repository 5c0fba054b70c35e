-- What came onto and went from the balance of a project. Additions are single entries; what
-- executions draw is one entry a UTC day.
CREATE TABLE credit_ledger (
    project_id UUID NOT NULL,
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    day BIGINT NOT NULL,
    credits BIGINT NOT NULL,
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT credit_ledger_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT credit_ledger_project_fkey FOREIGN KEY (project_id) REFERENCES projects (id),
    CONSTRAINT credit_ledger_kind_is_known CHECK (kind IN ('added', 'drawn')),
    CONSTRAINT credit_ledger_drawn_is_taken CHECK (kind <> 'drawn' OR credits < 0)
);

CREATE UNIQUE INDEX credit_ledger_draws ON credit_ledger (project_id, day) WHERE kind = 'drawn';

CREATE INDEX credit_ledger_by_time ON credit_ledger (project_id, created_at, id);
