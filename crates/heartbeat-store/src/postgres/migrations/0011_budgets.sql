-- Whole credits by level and period: drawn by executions that ended, and held by open ones.
CREATE TABLE budgets (
    project_id UUID NOT NULL,
    scope TEXT NOT NULL,
    scope_id UUID NOT NULL,
    period BIGINT NOT NULL,
    credit_limit BIGINT,
    used BIGINT NOT NULL,
    held BIGINT NOT NULL,
    CONSTRAINT budgets_pkey PRIMARY KEY (project_id, scope, scope_id, period),
    CONSTRAINT budgets_scope_is_known CHECK (scope IN ('heartbeat', 'project_day')),
    CONSTRAINT budgets_are_not_negative CHECK (used >= 0 AND held >= 0)
);
