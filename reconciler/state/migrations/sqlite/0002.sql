-- The end of the lease by a clock that nobody can set: seconds that the machine has run, in the boot that `started`
-- begins with. 0 says nothing.
ALTER TABLE lock ADD COLUMN lapses REAL NOT NULL DEFAULT 0;
