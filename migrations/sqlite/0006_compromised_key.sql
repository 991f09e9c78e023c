-- When a signing key was found to be in other hands. From then on it is worth nothing.
ALTER TABLE signing_key ADD COLUMN compromised_at TIMESTAMPTZ;
