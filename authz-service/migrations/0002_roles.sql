-- What an account may do beyond its own instance. Set by the operator alone, and read with the session at every
-- request: whoever loses it has lost it at once.
ALTER TABLE accounts ADD COLUMN role TEXT NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin'));
