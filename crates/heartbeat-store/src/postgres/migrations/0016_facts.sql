-- Facts of the installation, such as the fingerprint of its sealing key.
CREATE TABLE facts (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT facts_pkey PRIMARY KEY (name)
);
