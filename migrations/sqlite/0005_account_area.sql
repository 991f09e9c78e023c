-- The key of an account's personal detail goes with the account, whoever removes it. SQLite adds no foreign key to a table that
-- is there, so that this one is made anew.
CREATE TABLE audit_key_of_account (
    user_id TEXT PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    sealed BLOB NOT NULL
);
INSERT INTO audit_key_of_account (user_id, sealed)
SELECT user_id, sealed FROM audit_key WHERE user_id IN (SELECT id FROM account);
DROP TABLE audit_key;
ALTER TABLE audit_key_of_account RENAME TO audit_key;

-- Servers keep such keys in memory, and must hear when one is gone.
INSERT INTO change (name, counter) VALUES ('audit_key', 0);
