-- One row for each person who ever wrote anything. `epoch` counts how often everything was deleted, so that no device takes a journal for
-- one that it knew before; `changes` numbers the changes since; `entries` and `bytes` say how much it takes.
CREATE TABLE journal (
    person        TEXT    NOT NULL PRIMARY KEY,
    epoch         INTEGER NOT NULL DEFAULT 1,
    changes       INTEGER NOT NULL DEFAULT 0,
    entries       INTEGER NOT NULL DEFAULT 0,
    bytes         INTEGER NOT NULL DEFAULT 0,
    vault_version INTEGER NOT NULL DEFAULT 0,
    passphrase    TEXT,
    recovery      TEXT
) STRICT, WITHOUT ROWID;

-- `change` is the number of the change that made it what it is. Without a body it was deleted; its id stays, and is never used again.
CREATE TABLE entry (
    person   TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    change   INTEGER NOT NULL,
    body     TEXT,
    PRIMARY KEY (person, id)
) STRICT, WITHOUT ROWID;

-- What a journal takes is counted by whoever changes it, whatever the statement.
CREATE TRIGGER entry_written AFTER INSERT ON entry BEGIN
    UPDATE journal SET entries = entries + 1, bytes = bytes + coalesce(length(new.body), 0) WHERE person = new.person;
END;
CREATE TRIGGER entry_changed AFTER UPDATE ON entry BEGIN
    UPDATE journal SET bytes = bytes + coalesce(length(new.body), 0) - coalesce(length(old.body), 0)
        WHERE person = new.person;
END;
CREATE TRIGGER entry_forgotten AFTER DELETE ON entry BEGIN
    UPDATE journal SET entries = entries - 1, bytes = bytes - coalesce(length(old.body), 0) WHERE person = old.person;
END;

CREATE UNIQUE INDEX entry_change ON entry (person, change);

CREATE TABLE access (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    person  TEXT    NOT NULL,
    at      INTEGER NOT NULL, -- seconds since 1970
    client  TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    entry   TEXT,
    outcome TEXT    NOT NULL
) STRICT;

CREATE INDEX access_person ON access (person, number);
CREATE INDEX access_at ON access (at);
