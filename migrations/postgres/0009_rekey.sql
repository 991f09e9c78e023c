-- Keys of earlier master keys for what names a person in events that concern no account, sealed under the present one. Events are
-- not sealed anew: their hashes are in the log.
CREATE TABLE audit_key_of_nobody (
    id TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL
);
