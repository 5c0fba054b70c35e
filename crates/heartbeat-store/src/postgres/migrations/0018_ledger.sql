-- The effect ledger: what may be done about a call whose answer was lost, until when a former
-- holder's call may be under way, what a late holder sent, and a person's word. An older binary
-- reads and writes the table without these; calls that it wrote count as never to be repeated.
ALTER TABLE steps ADD COLUMN repeat TEXT
    CONSTRAINT steps_repeat_is_known CHECK (repeat IN ('safe', 'by_effect_id', 'never'));
ALTER TABLE steps ADD COLUMN within_ms BIGINT
    CONSTRAINT steps_within_is_not_negative CHECK (within_ms >= 0);
ALTER TABLE steps ADD COLUMN settles_at BIGINT;
ALTER TABLE steps ADD COLUMN late_sent_at BIGINT;
ALTER TABLE steps ADD COLUMN decision TEXT
    CONSTRAINT steps_decision_is_known CHECK (decision IN ('done', 'not_done'));
ALTER TABLE steps ADD COLUMN decided_by TEXT;
ALTER TABLE steps ADD COLUMN decided_at BIGINT
    CONSTRAINT steps_decision_is_signed
        CHECK ((decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) = (decided_by IS NULL));

CREATE INDEX executions_to_review ON executions (project_id, created_at, id) WHERE needs_review;
