-- The request that an event happened in.
ALTER TABLE audit_event ADD COLUMN request_id TEXT;

-- The tree over the events (RFC 6962): how far it reaches, and the key that speaks for it, sealed under the master key.
CREATE TABLE audit_log (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    origin TEXT NOT NULL,
    sealed_key BLOB NOT NULL,
    size BIGINT NOT NULL,
    -- Events before this leaf are gone by the operator's wish.
    kept_from BIGINT NOT NULL,
    -- That the values above are ours.
    seal BLOB NOT NULL,
    -- How far checkpoints were sent to audit.checkpoint_url.
    sent BIGINT NOT NULL
);

-- The hashes of the tree that each leaf completes, its own first; and that they are ours. They outlive the event.
CREATE TABLE audit_leaf (
    leaf INTEGER PRIMARY KEY,
    hashes BLOB NOT NULL,
    seal BLOB NOT NULL
);

-- Signed checkpoints (C2SP tlog-checkpoint).
CREATE TABLE audit_checkpoint (
    size INTEGER PRIMARY KEY,
    at TIMESTAMPTZ NOT NULL,
    note TEXT NOT NULL
);
