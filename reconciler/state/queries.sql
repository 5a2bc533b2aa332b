-- name: load_meta
-- The lineage and the serial.
SELECT lineage, serial FROM meta WHERE id = 1;

-- name: load_records
-- Every record, its columns in the order of model.record.Record.
SELECT address, kind, state, status, fingerprint, manifest, reference_list, source, commit_id, serial, error
FROM record ORDER BY address;

-- name: set_meta
-- Moves the state on to a new serial.
UPDATE meta SET lineage = ?, serial = ? WHERE id = 1;

-- name: put_record
-- Writes a record over the one that was there.
INSERT OR REPLACE INTO record
(address, kind, state, status, fingerprint, manifest, reference_list, source, commit_id, serial, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: delete_record
-- Forgets a component that is gone.
DELETE FROM record WHERE address = ?;

-- name: append_event
-- Adds what happened to the journal.
INSERT INTO event (run, time, address, verb, state, text, serial) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: list_events
-- What happened to one component, oldest first.
SELECT time, run, verb, state, text, serial FROM event WHERE address = ? ORDER BY id;

-- name: begin_run
-- Notes that a run starts.
INSERT INTO run (id, operation, who, commit_id, tree, started) VALUES (?, ?, ?, ?, ?, ?);

-- name: finish_run
-- Notes how a run ended.
UPDATE run SET finished = ?, outcome = ? WHERE id = ?;

-- name: list_runs
-- Every run, oldest first.
SELECT id, operation, who, commit_id, tree, started, finished, outcome FROM run ORDER BY started, rowid;

-- name: put_intent
-- Notes what a driver is about to do.
INSERT OR REPLACE INTO intent (address, key, run, time, verb, source, target) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: delete_intent
-- A driver has answered for a component.
DELETE FROM intent WHERE address = ?;

-- name: clock
-- The time of day by the database's clock: RFC 3339 in UTC, with milliseconds.
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now');

-- name: load_lock
-- Who holds the lock: the columns of ports.LockInfo, and when its process started.
SELECT holder, operation, who, pid, created, started FROM lock WHERE id = 1;

-- name: take_lock
-- Becomes the holder, instead of whoever was.
INSERT OR REPLACE INTO lock (id, holder, operation, who, pid, started, created) VALUES (1, ?, ?, ?, ?, ?, ?);

-- name: release_lock
-- Gives the lock back, if it is still ours.
DELETE FROM lock WHERE holder = ?;
