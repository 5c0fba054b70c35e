-- Who signs in as the operator also sees what is the installation's, such as its nodes. An older
-- binary signs everybody in without that; it can go on against this schema.
ALTER TABLE sign_ins ADD COLUMN operator BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE sessions ADD COLUMN operator BOOLEAN NOT NULL DEFAULT FALSE;
