-- What shows the course of a session. A row with a message takes time and exactness from it, so that they are repaired
-- with the message; a row without one (message_id 0) has its own time.
-- words: 'client', 'operator' (the first of them, and the first after an end); notices: 'started', 'ended', 'took',
-- 'handed', 'to_line', 'rated'; what a message's event said of its chat: 'facts'; events: 'finished', 'refused'.
CREATE TABLE session_events (
    session_ref       INTEGER NOT NULL,
    kind              TEXT    NOT NULL,
    message_id        INTEGER NOT NULL DEFAULT 0,
    at                INTEGER NOT NULL DEFAULT 0,
    from_id           INTEGER,
    to_id             INTEGER,
    line_id           INTEGER,
    rating            INTEGER,
    reason            TEXT    NOT NULL DEFAULT '',
    PRIMARY KEY (session_ref, kind, message_id, at)
) WITHOUT ROWID;
INSERT INTO session_events (session_ref, kind, at) SELECT id, 'finished', closed_at FROM sessions
    WHERE closed_at IS NOT NULL;

ALTER TABLE sessions ADD COLUMN opened_exact INTEGER NOT NULL DEFAULT 0;     -- history told the first message's time
ALTER TABLE sessions ADD COLUMN handover_exact INTEGER NOT NULL DEFAULT 1;   -- 0: somebody else had done it before

-- From when a former text was the message's own; 0: from the beginning. Their order follows from it.
ALTER TABLE message_versions ADD COLUMN since INTEGER NOT NULL DEFAULT 0;

-- How fresh a name is, and when the portal was asked for it.
ALTER TABLE users ADD COLUMN named_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN asked_at INTEGER;
CREATE INDEX users_without_name ON users (user_id) WHERE name = '' AND asked_at IS NULL;
