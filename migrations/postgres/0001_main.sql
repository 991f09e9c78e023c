-- People. Looked up by folded name and address, shown as they were written.
CREATE TABLE account (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL,
    email_folded TEXT NOT NULL UNIQUE,
    email_verified BOOLEAN NOT NULL,
    username TEXT,
    username_folded TEXT UNIQUE,
    claims JSONB NOT NULL,
    roles JSONB NOT NULL,
    enabled BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- Ways to prove who one is.
CREATE TABLE credential (
    user_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    params JSONB NOT NULL,
    secret TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, kind)
);

-- Single-use links: only the digest of what stands in the address.
CREATE TABLE link (
    digest BYTEA PRIMARY KEY,
    purpose TEXT NOT NULL,
    user_id TEXT REFERENCES account (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);

CREATE TABLE client (
    id TEXT PRIMARY KEY,
    metadata JSONB NOT NULL,
    secret_kind TEXT,
    secret BYTEA,
    enabled BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE api (
    uri TEXT PRIMARY KEY,
    roles BOOLEAN NOT NULL,
    clients JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);

-- A scope belongs to one API: the key sees to it.
CREATE TABLE api_scope (
    name TEXT PRIMARY KEY,
    api_uri TEXT NOT NULL REFERENCES api (uri) ON DELETE CASCADE,
    text TEXT NOT NULL
);

-- Our own keys. The private part is sealed under the master key.
CREATE TABLE signing_key (
    kid TEXT PRIMARY KEY,
    algorithm TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    published_at TIMESTAMPTZ NOT NULL,
    signs_from TIMESTAMPTZ NOT NULL,
    retired_at TIMESTAMPTZ
);

-- One sign-in on one device.
CREATE TABLE session (
    sid TEXT PRIMARY KEY,
    cookie_digest BYTEA NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    auth_time TIMESTAMPTZ NOT NULL,
    acr TEXT NOT NULL,
    amr JSONB NOT NULL,
    label TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_seen TIMESTAMPTZ NOT NULL,
    ended_at TIMESTAMPTZ
);
CREATE INDEX session_of_user ON session (user_id);

-- What a person allowed a client, remembered.
CREATE TABLE consent (
    user_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    scope TEXT NOT NULL,
    granted_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, client_id)
);

-- What a person granted at one sign-in. Codes and refresh tokens hang on it.
CREATE TABLE person_grant (
    gid TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
    sid TEXT NOT NULL,
    scope TEXT NOT NULL,
    offline BOOLEAN NOT NULL,
    auth_time TIMESTAMPTZ NOT NULL,
    acr TEXT NOT NULL,
    amr JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    ends_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX person_grant_sid ON person_grant (sid);
CREATE INDEX person_grant_user ON person_grant (user_id, client_id);

CREATE TABLE authorization_code (
    digest BYTEA PRIMARY KEY,
    gid TEXT NOT NULL REFERENCES person_grant (gid) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    redirect_uri_sent BOOLEAN NOT NULL,
    code_challenge TEXT,
    nonce TEXT,
    expires_at TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);
CREATE INDEX authorization_code_gid ON authorization_code (gid);

CREATE TABLE refresh_token (
    digest BYTEA PRIMARY KEY,
    gid TEXT NOT NULL REFERENCES person_grant (gid) ON DELETE CASCADE,
    parent BYTEA,
    created_at TIMESTAMPTZ NOT NULL,
    idle_until TIMESTAMPTZ NOT NULL,
    used_at TIMESTAMPTZ
);
CREATE INDEX refresh_token_gid ON refresh_token (gid);
CREATE INDEX refresh_token_parent ON refresh_token (parent);

-- Tokens of this kind and id that were issued at or before "before" are dead. Swept after "until".
CREATE TABLE revocation (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    before TIMESTAMPTZ NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Authorization requests too long for an address.
CREATE TABLE pushed_request (
    id TEXT PRIMARY KEY,
    address TEXT NOT NULL,
    request TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX pushed_request_address ON pushed_request (address);

-- Identifiers that may be seen once: the jti of client assertions.
CREATE TABLE replay_guard (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (kind, id)
);

-- Logos of clients, fetched once and served by us.
CREATE TABLE client_logo (
    client_id TEXT PRIMARY KEY REFERENCES client (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    content_type TEXT,
    image BYTEA,
    fetched_at TIMESTAMPTZ NOT NULL
);

-- The audit trail. No foreign keys: a row outlives what it tells of.
CREATE TABLE audit_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    leaf BIGINT UNIQUE,
    at TIMESTAMPTZ NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT,
    client_id TEXT,
    sid TEXT,
    gid TEXT,
    detail TEXT NOT NULL,
    personal BYTEA
);
CREATE INDEX audit_event_user ON audit_event (user_id, id);

-- The key of one account's personal detail, sealed under the master key. Destroyed with the account.
CREATE TABLE audit_key (
    user_id TEXT PRIMARY KEY,
    sealed BYTEA NOT NULL
);

-- One row for each thing that servers keep in memory; a change bumps its counter.
CREATE TABLE change (
    name TEXT PRIMARY KEY,
    counter BIGINT NOT NULL
);
INSERT INTO change (name, counter) VALUES ('client', 0), ('api', 0), ('key', 0);
