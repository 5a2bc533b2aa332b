-- The first layout. A migration is never edited once it was released; the next change is the next number.
-- Every `checksum` is over all other columns of its row.

-- `term` counts the holders of the lock. The last event and its digest are kept here too, so that a log that lost its
-- end is noticed, and `total`, the checksums of all records put together, so that a record that is gone is.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    lineage TEXT NOT NULL,
    serial INTEGER NOT NULL,
    term INTEGER NOT NULL,
    event_number INTEGER NOT NULL,
    event_digest TEXT NOT NULL,
    total INTEGER NOT NULL,
    checksum INTEGER NOT NULL
);

INSERT INTO meta VALUES (1, '', 0, 0, 0, '', 0, 2974582899);

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
    error TEXT NOT NULL,
    failures INTEGER NOT NULL,
    checksum INTEGER NOT NULL
);

-- Every manifest that an event names and that its component no longer has, by the digest of its body.
CREATE TABLE manifest (
    digest TEXT PRIMARY KEY,
    body BLOB NOT NULL
);

-- A run's events lie between `first_event` and `last_event`, which is 0 while it has not ended.
CREATE TABLE run (
    id TEXT PRIMARY KEY,
    operation TEXT NOT NULL,
    who TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    tree TEXT NOT NULL,
    started TEXT NOT NULL,
    finished TEXT NOT NULL,
    outcome TEXT NOT NULL,
    first_event INTEGER NOT NULL,
    last_event INTEGER NOT NULL,
    checksum INTEGER NOT NULL
);

CREATE INDEX run_order ON run (first_event);
CREATE INDEX run_commit ON run (commit_id, first_event);
CREATE INDEX run_open ON run (first_event) WHERE outcome = '';

-- What a driver was asked to do and has not answered for yet. A record is a JSON list, '' where there is none.
CREATE TABLE intent (
    address TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    verb TEXT NOT NULL,
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    record_before TEXT NOT NULL,
    record_after TEXT NOT NULL,
    checksum INTEGER NOT NULL
);

-- The log: only ever appended to. What stands from `state` on is the record after the event; `manifest` is the digest
-- of its manifest and `rest` a JSON list of its other fields. An event about the state as a whole has no address.
CREATE TABLE event (
    number INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    run TEXT NOT NULL,
    address TEXT NOT NULL,
    verb TEXT NOT NULL,
    state TEXT NOT NULL,
    status TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    text TEXT NOT NULL,
    serial INTEGER NOT NULL,
    manifest TEXT NOT NULL,
    rest TEXT NOT NULL,
    digest TEXT NOT NULL
);

CREATE INDEX event_address ON event (address, serial);

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN
    SELECT RAISE(ABORT, 'events are only appended');
END;

CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN
    SELECT RAISE(ABORT, 'events are only appended');
END;

-- The single holder. `started` tells its process from a later one with the same number; `expires` ends the lease.
CREATE TABLE lock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    holder TEXT NOT NULL,
    operation TEXT NOT NULL,
    who TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started TEXT NOT NULL,
    created TEXT NOT NULL,
    expires TEXT NOT NULL,
    term INTEGER NOT NULL
);
