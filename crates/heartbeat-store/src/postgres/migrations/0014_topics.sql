-- The state of each topic that was last told: the same state again is silence.
CREATE TABLE topics (
    project_id UUID NOT NULL,
    topic TEXT NOT NULL,
    state TEXT,
    CONSTRAINT topics_pkey PRIMARY KEY (project_id, topic)
);
