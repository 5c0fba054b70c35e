-- Which verbs without a key of their own have happened, for whoever lost their answer. An older
-- binary goes on without.
CREATE TABLE receipts (
    id UUID NOT NULL,
    CONSTRAINT receipts_pkey PRIMARY KEY (id)
);
