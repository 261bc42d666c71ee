-- Every session is compared with the portal's history on its own: up to which message, and what the answer was.

ALTER TABLE sessions ADD COLUMN last_message_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN reconciled_to INTEGER NOT NULL DEFAULT -1;
UPDATE sessions SET last_message_id = COALESCE(
    (SELECT MAX(message_id) FROM messages m WHERE m.chat_id = sessions.chat_id AND m.session_ref = sessions.id), 0);
UPDATE sessions SET reconciled_to = last_message_id WHERE reconciled_at IS NOT NULL
    AND last_message_id <= (SELECT reconciled_to FROM dialogs d WHERE d.chat_id = sessions.chat_id);
CREATE INDEX sessions_unsettled ON sessions (chat_id) WHERE reconciled_at IS NULL OR reconciled_to < last_message_id;
CREATE INDEX sessions_open ON sessions (chat_id) WHERE closed_at IS NULL;
CREATE INDEX sessions_by_opening ON sessions (opened_at);

-- The latest answer of imopenlines.session.history.get for each session: JSON, zlib.
CREATE TABLE histories (
    session_id        INTEGER PRIMARY KEY,
    chat_id           INTEGER NOT NULL,
    asked_at          INTEGER NOT NULL,
    body              BLOB    NOT NULL
);
CREATE INDEX histories_by_chat ON histories (chat_id);

-- Numbers of sessions that were looked at: each is in the archive, or holds nothing for us (unknown, forbidden,
-- of another line). Ranges do not touch each other.
CREATE TABLE session_ranges (
    first_id          INTEGER PRIMARY KEY,
    last_id           INTEGER NOT NULL
);

CREATE INDEX outbox_claimed ON outbox (kind, claimed_until) WHERE claimed_until > 0 AND buried_at IS NULL;

-- Whether a dialog is complete hangs on each of its sessions: read at all, and after its last message.
DROP TRIGGER session_is_compared;
CREATE TRIGGER session_is_compared AFTER UPDATE OF reconciled_at, reconciled_to, last_message_id ON sessions
WHEN (OLD.reconciled_at IS NULL OR OLD.reconciled_to < OLD.last_message_id)
    <> (NEW.reconciled_at IS NULL OR NEW.reconciled_to < NEW.last_message_id)
BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE dialogs SET changed = (SELECT value FROM change_clock) WHERE chat_id = NEW.chat_id;
END;
