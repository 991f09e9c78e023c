-- Browsers that a person signed in on, each known by a cookie of its own that outlives its sessions.
CREATE TABLE device (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    cookie_digest BLOB NOT NULL,
    label TEXT NOT NULL,
    first_seen TIMESTAMPTZ NOT NULL,
    last_seen TIMESTAMPTZ NOT NULL,
    -- Until then the person's second factor is not asked for here.
    second_factor_until TIMESTAMPTZ,
    UNIQUE (user_id, cookie_digest)
);
CREATE INDEX device_cookie ON device (cookie_digest);

-- Sessions from before this migration know neither.
ALTER TABLE session ADD COLUMN device_id TEXT REFERENCES device (id) ON DELETE SET NULL;
ALTER TABLE session ADD COLUMN address TEXT NOT NULL DEFAULT '';
CREATE INDEX session_of_device ON session (device_id);

-- What stands in for a lost second factor. Each works once.
CREATE TABLE recovery_code (
    user_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    digest BLOB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ,
    PRIMARY KEY (user_id, digest)
);

-- Whether an operator demands a second factor of this person, whatever the policy.
ALTER TABLE account ADD COLUMN second_factor_required BOOLEAN NOT NULL DEFAULT FALSE;
