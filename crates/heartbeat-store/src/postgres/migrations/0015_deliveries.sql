-- Messages on their way through channels. `due_at` is absent once there is nothing left to do.
CREATE TABLE deliveries (
    project_id UUID NOT NULL,
    id UUID NOT NULL,
    notice_id UUID NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT,
    last_error TEXT,
    ended_at BIGINT,
    CONSTRAINT deliveries_pkey PRIMARY KEY (project_id, id),
    CONSTRAINT deliveries_channel_key UNIQUE (project_id, notice_id, channel),
    CONSTRAINT deliveries_notice_fkey
        FOREIGN KEY (project_id, notice_id) REFERENCES notices (project_id, id),
    CONSTRAINT deliveries_channel_is_known CHECK (channel IN ('webhook')),
    CONSTRAINT deliveries_state_is_known CHECK (state IN ('pending', 'delivered', 'failed')),
    CONSTRAINT deliveries_pending_are_due CHECK ((state = 'pending') = (due_at IS NOT NULL))
);

-- What is to be delivered, across projects.
CREATE INDEX deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
