-- Work that nobody waits for. What is to be done is sealed, since it may hold a link; "about" is a keyed digest.
CREATE TABLE job (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    about BLOB NOT NULL,
    user_id TEXT,
    sealed BLOB NOT NULL,
    tries BIGINT NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX job_due ON job (due_at);
CREATE INDEX job_about ON job (about);
