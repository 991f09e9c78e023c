-- The operator's own apps that can be started from our pages (OpenID Connect Core §4): looked up for everybody who opens the start
-- page, among however many clients registered themselves.
CREATE INDEX client_startable ON client (id)
    WHERE (metadata ->> 'initiate_login_uri') IS NOT NULL AND CAST(metadata ->> 'first_party' AS TEXT) IN ('true', '1');
