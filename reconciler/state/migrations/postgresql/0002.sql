-- Small JSON documents that the daemon and the commands share. `version` counts the writes of a key from 1; a note that
-- was taken away leaves none.
CREATE TABLE note (
    key TEXT COLLATE "C" PRIMARY KEY,
    body BYTEA NOT NULL,
    version BIGINT NOT NULL,
    checksum BIGINT NOT NULL
);
