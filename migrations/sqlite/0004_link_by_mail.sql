-- Links that were sent to a mail address know which, and the request of the app that a person was on their way to.
ALTER TABLE link ADD COLUMN email TEXT;
ALTER TABLE link ADD COLUMN email_folded TEXT;
ALTER TABLE link ADD COLUMN request TEXT;

-- For one purpose and one account or address, one link alone can be used, however many are asked for at once.
DELETE FROM link WHERE used_at IS NULL AND EXISTS (
    SELECT 1 FROM link AS newer
    WHERE newer.used_at IS NULL AND newer.purpose = link.purpose
        AND COALESCE(newer.user_id, '') = COALESCE(link.user_id, '')
        AND (newer.created_at > link.created_at OR newer.created_at = link.created_at AND newer.digest > link.digest)
);
CREATE UNIQUE INDEX link_unused ON link (purpose, COALESCE(user_id, email_folded, '')) WHERE used_at IS NULL;
