-- The key of an account's personal detail goes with the account, whoever removes it.
DELETE FROM audit_key WHERE user_id NOT IN (SELECT id FROM account);
ALTER TABLE audit_key ADD FOREIGN KEY (user_id) REFERENCES account (id) ON DELETE CASCADE;

-- Servers keep such keys in memory, and must hear when one is gone.
INSERT INTO change (name, counter) VALUES ('audit_key', 0);
