-- Small JSON documents that the daemon and the commands share. `version` counts the writes of a key from 1; a note that
-- was taken away leaves none.
CREATE TABLE note (
    key TEXT PRIMARY KEY,
    body BLOB NOT NULL,
    version INTEGER NOT NULL,
    checksum INTEGER NOT NULL
);
