-- name: load_meta
-- The state as a whole: the columns of rows.Meta.
SELECT lineage, serial, term, event_number, event_digest, total, checksum FROM meta WHERE id = 1;

-- name: hold_meta (sqlite)
-- The same; this writer is the only one already.
SELECT lineage, serial, term, event_number, event_digest, total, checksum FROM meta WHERE id = 1;

-- name: hold_meta (postgresql)
-- The same, and other writers wait from here to the end of the transaction.
SELECT lineage, serial, term, event_number, event_digest, total, checksum FROM meta WHERE id = 1 FOR UPDATE;

-- name: set_meta
-- Moves the state on.
UPDATE meta SET lineage = ?, serial = ?, term = ?, event_number = ?, event_digest = ?, total = ?, checksum = ?
WHERE id = 1;

-- name: clock (sqlite)
-- The time of day by the database's clock: RFC 3339 in UTC, with milliseconds.
SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now');

-- name: clock (postgresql)
-- The same.
SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- name: load_records
-- Every record: the columns of model.record.Record, and the checksum.
SELECT address, kind, state, status, fingerprint, manifest, reference_list, source, commit_id, serial, error, failures,
       checksum
FROM record;

-- name: survey
-- Of every record what rows.load_marks reads.
SELECT address, fingerprint || ' ' || state || CASE status WHEN 'ok' THEN '' ELSE ' ' || status END, checksum
FROM record;

-- name: load_replaced (sqlite)
-- What a writer must know of the records that it writes over; the addresses are a JSON list.
SELECT address, manifest, checksum FROM record WHERE address IN (SELECT value FROM json_each(?));

-- name: load_replaced (postgresql)
-- The same.
SELECT address, manifest, checksum FROM record WHERE address IN (SELECT json_array_elements_text(CAST(? AS json)));

-- name: load_some_records (sqlite)
-- Some records, as load_records gives them; the addresses are a JSON list.
SELECT address, kind, state, status, fingerprint, manifest, reference_list, source, commit_id, serial, error, failures,
       checksum
FROM record WHERE address IN (SELECT value FROM json_each(?));

-- name: load_some_records (postgresql)
-- The same.
SELECT address, kind, state, status, fingerprint, manifest, reference_list, source, commit_id, serial, error, failures,
       checksum
FROM record WHERE address IN (SELECT json_array_elements_text(CAST(? AS json)));

-- name: put_record
-- Writes a record that is not there.
INSERT INTO record (address, kind, state, status, fingerprint, manifest, reference_list, source, commit_id, serial,
                    error, failures, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: delete_record
-- Takes a record away, for good or to write it anew.
DELETE FROM record WHERE address = ?;

-- name: put_manifest
-- Keeps a manifest that a record had under its digest; the same one is kept once.
INSERT INTO manifest (digest, body) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING;

-- name: load_manifest
-- The manifest with a digest, if no record has it any more.
SELECT body FROM manifest WHERE digest = ?;

-- name: load_current_manifest
-- The manifest that a component's record has.
SELECT manifest FROM record WHERE address = ?;

-- name: list_manifests
-- The next manifests after a digest, for their verification.
SELECT digest, body FROM manifest WHERE digest > ? ORDER BY digest LIMIT ?;

-- name: append_event
-- Adds an entry to the log: the columns of chain.Entry between its number and its digest.
INSERT INTO event (number, time, run, address, verb, state, status, fingerprint, text, serial, manifest, rest, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: list_events
-- The next events after a number, for their verification.
SELECT number, time, run, address, verb, state, status, fingerprint, text, serial, manifest, rest, digest
FROM event WHERE number > ? ORDER BY number LIMIT ?;

-- name: events_between
-- Part of the log, oldest first: the columns of model.history.PastEvent.
SELECT number, time, run, address, verb, state, status, fingerprint, text, serial, digest
FROM event WHERE number BETWEEN ? AND ? ORDER BY number;

-- name: events_of_run
-- What one run did, oldest first; its events lie between two numbers.
SELECT number, time, run, address, verb, state, status, fingerprint, text, serial, digest
FROM event WHERE number BETWEEN ? AND ? AND run = ? ORDER BY number;

-- name: nth_newest_of_run
-- The number of the event of a run that so many newer ones follow; its events lie between two numbers.
SELECT number FROM event WHERE number BETWEEN ? AND ? AND run = ? ORDER BY number DESC LIMIT 1 OFFSET ?;

-- name: events_of_address
-- The last so many things that happened to one component, newest first.
SELECT number, time, run, address, verb, state, status, fingerprint, text, serial, digest
FROM event WHERE address = ? ORDER BY serial DESC, number DESC LIMIT ?;

-- name: event_at
-- When an event happened, the serial then, and its digest.
SELECT time, serial, digest FROM event WHERE number = ?;

-- name: records_after (sqlite)
-- What some events tell of the record after them; their numbers are a JSON list.
SELECT number, address, state, status, fingerprint, manifest, rest
FROM event WHERE number IN (SELECT value FROM json_each(?));

-- name: records_after (postgresql)
-- The same.
SELECT number, address, state, status, fingerprint, manifest, rest
FROM event WHERE number IN (SELECT CAST(value AS bigint) FROM json_array_elements_text(CAST(? AS json)));

-- name: changed_since
-- Whom each event after a certain one was about.
SELECT address FROM event WHERE number > ?;

-- name: event_of_address_at
-- The last event of a component up to a serial.
SELECT state, status, fingerprint, manifest, rest
FROM event WHERE address = ? AND serial <= ? ORDER BY serial DESC, number DESC LIMIT 1;

-- name: begin_run
-- Notes that a run starts.
INSERT INTO run (id, operation, who, commit_id, tree, started, finished, outcome, first_event, last_event, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: finish_run
-- Notes how a run ended.
UPDATE run SET finished = ?, outcome = ?, last_event = ?, checksum = ? WHERE id = ?;

-- name: list_runs
-- Every run, newest first: the columns of rows.RunRow.
SELECT id, operation, who, commit_id, tree, started, finished, outcome, first_event, last_event, checksum
FROM run ORDER BY first_event DESC;

-- name: open_runs
-- The runs that have not ended.
SELECT id, operation, who, commit_id, tree, started, finished, outcome, first_event, last_event, checksum
FROM run WHERE outcome = '' ORDER BY first_event;

-- name: load_run
-- One run.
SELECT id, operation, who, commit_id, tree, started, finished, outcome, first_event, last_event, checksum
FROM run WHERE id = ?;

-- name: run_of_commit
-- The newest run that applied a commit.
SELECT id, operation, who, commit_id, tree, started, finished, outcome, first_event, last_event, checksum
FROM run WHERE commit_id = ? ORDER BY first_event DESC LIMIT 1;

-- name: put_intent
-- Notes what a driver is about to do.
INSERT INTO intent (address, key, verb, source, target, attempt, record_before, record_after, checksum)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (address) DO UPDATE SET
    key = excluded.key, verb = excluded.verb, source = excluded.source, target = excluded.target,
    attempt = excluded.attempt, record_before = excluded.record_before, record_after = excluded.record_after,
    checksum = excluded.checksum;

-- name: list_intents
-- What has not been answered for.
SELECT address, key, verb, source, target, attempt, record_before, record_after, checksum
FROM intent ORDER BY address;

-- name: any_intent
-- Whether there is one.
SELECT 1 FROM intent LIMIT 1;

-- name: delete_intent
-- A driver has answered for a component.
DELETE FROM intent WHERE address = ?;

-- name: load_lock
-- The holder of the lock: an id, and the columns of lease.Holder. A layout from before `lapses` is read as well.
SELECT * FROM lock WHERE id = 1;

-- name: take_lock (sqlite)
-- Becomes the holder, instead of whoever was; the last parameter is the length of the lease in seconds. `uptime` is in
-- seconds too, and runs on when the time of day is set.
INSERT OR REPLACE INTO lock (id, holder, operation, who, pid, started, term, created, expires, lapses)
VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
        strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?7 || ' seconds'), uptime() + ?7);

-- name: take_lock (postgresql)
-- The same; the server's clock is the only one.
INSERT INTO lock (id, holder, operation, who, pid, started, term, created, expires)
VALUES (1, ?, ?, ?, ?, ?, ?, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        to_char((clock_timestamp() + make_interval(secs => ?)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
ON CONFLICT (id) DO UPDATE SET
    holder = excluded.holder, operation = excluded.operation, who = excluded.who, pid = excluded.pid,
    started = excluded.started, term = excluded.term, created = excluded.created, expires = excluded.expires;

-- name: renew_lock (sqlite)
-- Puts off the end of the lease, if the lock is still held for that term; the first parameter is its length in seconds.
UPDATE lock SET expires = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?1 || ' seconds'), lapses = uptime() + ?1
WHERE id = 1 AND holder = ?2 AND term = ?3;

-- name: renew_lock (postgresql)
-- The same.
UPDATE lock SET
    expires = to_char((clock_timestamp() + make_interval(secs => ?)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
WHERE id = 1 AND holder = ? AND term = ?;

-- name: release_lock
-- Gives the lock back, if it is still held for that term.
DELETE FROM lock WHERE id = 1 AND holder = ? AND term = ?;

-- name: leader_term (sqlite)
-- The term of the daemon that leads. A file has one daemon at most, which is in no term.
SELECT 0;

-- name: leader_term (postgresql)
-- The same.
SELECT term FROM leader WHERE id = 1;

-- name: has_notes (sqlite)
-- Whether the layout is one with notes: who only reads also meets an older one.
SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'note';

-- name: has_notes (postgresql)
-- The same.
SELECT 1 FROM pg_class WHERE oid = to_regclass('note');

-- name: load_note
-- One note: the columns of ports.Note, and the checksum.
SELECT key, body, version, checksum FROM note WHERE key = ?;

-- name: notes_from
-- The notes between two keys.
SELECT key, body, version, checksum FROM note WHERE key >= ? AND key < ? ORDER BY key;

-- name: list_notes
-- Every note.
SELECT key, body, version, checksum FROM note ORDER BY key;

-- name: put_note
-- Writes a note.
INSERT INTO note (key, body, version, checksum) VALUES (?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET body = excluded.body, version = excluded.version, checksum = excluded.checksum;

-- name: delete_note
-- Takes a note away.
DELETE FROM note WHERE key = ?;
