-- The thumbprint of the key that a code was asked for with (RFC 9449 §10): it is good with a proof by that key alone.
ALTER TABLE authorization_code ADD COLUMN dpop_jkt TEXT;
-- The thumbprint of the key that refresh tokens of a public client are bound to (RFC 9449 §5).
ALTER TABLE person_grant ADD COLUMN jkt TEXT;
