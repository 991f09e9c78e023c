-- Clients that registered themselves (RFC 7591): the digest of the token by which they change that, which no other client has; and
-- since when somebody uses them. Those that nobody uses are swept.
ALTER TABLE client ADD COLUMN registration_digest BYTEA;
ALTER TABLE client ADD COLUMN used_at TIMESTAMPTZ;
CREATE INDEX client_registered ON client (created_at) WHERE registration_digest IS NOT NULL;

-- Initial access tokens (RFC 7591 §1.2), each good for so many registrations.
CREATE TABLE registration_token (
    id TEXT PRIMARY KEY,
    digest BYTEA NOT NULL UNIQUE,
    uses_left BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
