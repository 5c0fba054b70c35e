-- Agents, subscribers and a project's month as levels of budget, and tokens beside credits; so that
-- every level can say what it used. The row `balance` of a project sums its credit ledger: what was
-- added is its limit, what was drawn is its use. Credits used before are carried over to the new
-- levels; tokens count from here on. A binary from before this refuses the file.
CREATE TABLE wider_budgets (
    project_id BLOB NOT NULL,
    scope TEXT NOT NULL,
    scope_id BLOB NOT NULL,
    period BIGINT NOT NULL,
    credit_limit BIGINT,
    used BIGINT NOT NULL,
    held BIGINT NOT NULL,
    tokens BIGINT NOT NULL,
    CONSTRAINT budgets_pkey PRIMARY KEY (project_id, scope, scope_id, period),
    CONSTRAINT budgets_scope_is_known CHECK (scope IN
        ('heartbeat', 'member', 'bot', 'project_day', 'project_month', 'balance')),
    CONSTRAINT budgets_are_not_negative CHECK (used >= 0 AND held >= 0 AND tokens >= 0)
) WITHOUT ROWID;

INSERT INTO wider_budgets (project_id, scope, scope_id, period, credit_limit, used, held, tokens)
SELECT project_id, scope, scope_id, period, credit_limit, used, held, 0 FROM budgets;

INSERT INTO wider_budgets (project_id, scope, scope_id, period, credit_limit, used, held, tokens)
SELECT project_id, 'project_month', project_id, period, NULL, SUM(used), SUM(held), 0
FROM wider_budgets WHERE scope = 'heartbeat' GROUP BY project_id, period;

INSERT INTO wider_budgets (project_id, scope, scope_id, period, credit_limit, used, held, tokens)
SELECT project_id, 'bot', bot_id, period, NULL, SUM(used), SUM(held), 0 FROM
    (SELECT b.*, (SELECT e.bot_id FROM executions e WHERE e.project_id = b.project_id
        AND e.heartbeat_id = b.scope_id LIMIT 1) AS bot_id
     FROM wider_budgets b WHERE b.scope = 'heartbeat')
WHERE bot_id IS NOT NULL GROUP BY project_id, bot_id, period;

DROP TABLE budgets;

ALTER TABLE wider_budgets RENAME TO budgets;

ALTER TABLE bots ADD COLUMN credit_limit BIGINT;
