-- What administrators and people do with accounts. Columns are added and no table is made anew: `accounts` is
-- referenced with ON DELETE CASCADE, so that a copy would take rows along. Times are milliseconds since 1970-01-01 UTC.

-- Shut out by an administrator, and why; the person is told after the right password.
ALTER TABLE accounts ADD COLUMN suspended_at INTEGER;
ALTER TABLE accounts ADD COLUMN suspended_reason TEXT;
-- The one thing to ask whether an account may be used: only `active` may.
ALTER TABLE accounts ADD COLUMN standing TEXT NOT NULL GENERATED ALWAYS AS
    (CASE WHEN suspended_at IS NOT NULL THEN 'suspended' ELSE state END) VIRTUAL;
CREATE INDEX accounts_by_role ON accounts (role);

-- Accounts that are gone and whose instances may still be there: asked for until deploy-control has none. Not a
-- reference: the account goes first.
CREATE TABLE departures (
    user_id  TEXT    NOT NULL PRIMARY KEY,
    left_at  INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX departures_due ON departures (due_at);

-- Invites as administrators see them: the id names one without its code.
ALTER TABLE invites ADD COLUMN invite_id TEXT;
ALTER TABLE invites ADD COLUMN note TEXT NOT NULL DEFAULT '';
-- The account that made it; absent where the operator did.
ALTER TABLE invites ADD COLUMN made_by TEXT;
ALTER TABLE invites ADD COLUMN withdrawn_at INTEGER;
-- Those from before get ids of the form of all others (26 characters of Crockford's base 32, the first below 8).
UPDATE invites SET invite_id = '0' || substr(hex(code_hash), 1, 25);
CREATE UNIQUE INDEX invites_by_id ON invites (invite_id);
