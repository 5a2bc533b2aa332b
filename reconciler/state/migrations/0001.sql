-- The first layout. A migration is never edited once it was released; the next change is the next number.

CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    lineage TEXT NOT NULL,
    serial INTEGER NOT NULL
);

INSERT INTO meta (id, lineage, serial) VALUES (1, '', 0);

CREATE TABLE record (
    address TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    status TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    manifest BLOB NOT NULL,
    reference_list BLOB NOT NULL,
    source TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    serial INTEGER NOT NULL,
    error TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE run (
    id TEXT PRIMARY KEY,
    operation TEXT NOT NULL,
    who TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    tree TEXT NOT NULL,
    started TEXT NOT NULL,
    finished TEXT NOT NULL DEFAULT '',
    outcome TEXT NOT NULL DEFAULT ''
);

-- What a driver was asked to do and has not answered for yet.
CREATE TABLE intent (
    address TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    run TEXT NOT NULL,
    time TEXT NOT NULL,
    verb TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL
) WITHOUT ROWID;

-- The journal: only ever appended to. `state` is the one reached; an event about the state as a whole has no address.
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    time TEXT NOT NULL,
    address TEXT NOT NULL,
    verb TEXT NOT NULL,
    state TEXT NOT NULL,
    text TEXT NOT NULL,
    serial INTEGER NOT NULL
);

CREATE INDEX event_address ON event (address);

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN
    SELECT RAISE(ABORT, 'events are only appended');
END;

CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN
    SELECT RAISE(ABORT, 'events are only appended');
END;

-- The single holder. `started` tells its process from a later one with the same number.
CREATE TABLE lock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    holder TEXT NOT NULL,
    operation TEXT NOT NULL,
    who TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started TEXT NOT NULL,
    created TEXT NOT NULL
);
