-- Whether a device is its person's own: they signed in on it by the password that they have now. Where they did not, guesses at the
-- password are counted like those of a stranger.
ALTER TABLE device ADD COLUMN is_own BOOLEAN NOT NULL DEFAULT TRUE;
-- The tag of the language that its browser asks for.
ALTER TABLE device ADD COLUMN language TEXT;
