-- What a client asked for by name (OpenID Connect Core §5.5); NULL where it did not.
ALTER TABLE person_grant ADD COLUMN claims JSONB;

-- Secrets of the issuer that must stay what they are, sealed under the master key.
CREATE TABLE issuer_secret (
    name TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL
);

-- Our own keys for what is encrypted for us. The private part is sealed under the master key; of each algorithm the newest is published.
CREATE TABLE encryption_key (
    kid TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    made_at TIMESTAMPTZ NOT NULL
);
