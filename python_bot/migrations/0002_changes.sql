-- When each message and dialog last changed in the eyes of a reader: microseconds since 1970, never twice the same
-- and never backwards, whoever wrote it. Followers, the search index and outgoing webhooks go by it.

CREATE TABLE change_clock (
    id                INTEGER PRIMARY KEY CHECK (id = 1),
    value             INTEGER NOT NULL
);
INSERT INTO change_clock VALUES (1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));

ALTER TABLE messages ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dialogs ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dialogs ADD COLUMN has_files INTEGER NOT NULL DEFAULT 0;
UPDATE messages SET changed = (SELECT value FROM change_clock);
UPDATE dialogs SET changed = (SELECT value FROM change_clock),
    has_files = EXISTS (SELECT 1 FROM messages m JOIN files f USING (message_id) WHERE m.chat_id = dialogs.chat_id);

CREATE INDEX messages_by_change ON messages (changed, message_id);
CREATE INDEX messages_by_time ON messages (sent_at, message_id);
CREATE INDEX messages_by_author ON messages (author_id, message_id);
CREATE INDEX dialogs_by_change ON dialogs (changed, chat_id);
CREATE INDEX dialogs_by_activity ON dialogs (COALESCE(last_message_at, opened_at), chat_id, opened_at);
CREATE INDEX dialogs_by_line ON dialogs (line_id, chat_id);
CREATE INDEX dialogs_by_connector ON dialogs (connector_id, chat_id);
CREATE INDEX dialogs_by_operator ON dialogs (operator_id, chat_id);
CREATE INDEX dialogs_by_client ON dialogs (client_id, chat_id);
CREATE INDEX dialogs_by_status ON dialogs (status, chat_id);
CREATE INDEX dialogs_with_files ON dialogs (chat_id) WHERE has_files;

CREATE TRIGGER message_is_new AFTER INSERT ON messages BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE messages SET changed = (SELECT value FROM change_clock) WHERE message_id = NEW.message_id;
END;

CREATE TRIGGER message_changes
AFTER UPDATE OF chat_id, session_ref, author_id, author_kind, text, text_plain, sent_at, sent_at_exact, edited_at, deleted_at
ON messages WHEN (OLD.chat_id, OLD.session_ref, OLD.author_id, OLD.author_kind, OLD.text, OLD.text_plain, OLD.sent_at,
    OLD.sent_at_exact, OLD.edited_at, OLD.deleted_at) IS NOT (NEW.chat_id, NEW.session_ref, NEW.author_id,
    NEW.author_kind, NEW.text, NEW.text_plain, NEW.sent_at, NEW.sent_at_exact, NEW.edited_at, NEW.deleted_at)
BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE messages SET changed = (SELECT value FROM change_clock) WHERE message_id = NEW.message_id;
END;

CREATE TRIGGER file_is_new AFTER INSERT ON files BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE messages SET changed = (SELECT value FROM change_clock) WHERE message_id = NEW.message_id;
    UPDATE dialogs SET has_files = 1 WHERE has_files = 0
        AND chat_id = (SELECT chat_id FROM messages WHERE message_id = NEW.message_id);
END;

CREATE TRIGGER file_changes AFTER UPDATE ON files
WHEN (OLD.name, OLD.size, OLD.type, OLD.url) IS NOT (NEW.name, NEW.size, NEW.type, NEW.url)
BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE messages SET changed = (SELECT value FROM change_clock) WHERE message_id = NEW.message_id;
END;

CREATE TRIGGER session_gets_its_number AFTER UPDATE OF session_id ON sessions
WHEN OLD.session_id IS NOT NEW.session_id
BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE messages SET changed = (SELECT value FROM change_clock)
        WHERE chat_id = NEW.chat_id AND session_ref = NEW.id;
    UPDATE dialogs SET changed = (SELECT value FROM change_clock) WHERE chat_id = NEW.chat_id;
END;

-- Whether a dialog is complete hangs on each of its sessions.
CREATE TRIGGER session_is_compared AFTER UPDATE OF reconciled_at ON sessions
WHEN (OLD.reconciled_at IS NULL) <> (NEW.reconciled_at IS NULL)
BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE dialogs SET changed = (SELECT value FROM change_clock) WHERE chat_id = NEW.chat_id;
END;

-- A person's name stands in every message and dialog of theirs.
CREATE TRIGGER user_is_named AFTER INSERT ON users WHEN NEW.name <> '' BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE messages SET changed = (SELECT value FROM change_clock) WHERE author_id = NEW.user_id;
    UPDATE dialogs SET changed = (SELECT value FROM change_clock)
        WHERE client_id = NEW.user_id OR operator_id = NEW.user_id;
END;

CREATE TRIGGER user_is_renamed AFTER UPDATE OF name ON users WHEN OLD.name IS NOT NEW.name BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE messages SET changed = (SELECT value FROM change_clock) WHERE author_id = NEW.user_id;
    UPDATE dialogs SET changed = (SELECT value FROM change_clock)
        WHERE client_id = NEW.user_id OR operator_id = NEW.user_id;
END;

CREATE TRIGGER dialog_is_new AFTER INSERT ON dialogs BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE dialogs SET changed = (SELECT value FROM change_clock) WHERE chat_id = NEW.chat_id;
END;

CREATE TRIGGER dialog_changes
AFTER UPDATE OF dialog_id, title, connector_id, line_id, client_id, operator_id, crm_links, session_ref, status,
    opened_at, handed_over_at, last_message_at, message_count, reconciled_to
ON dialogs WHEN (OLD.dialog_id, OLD.title, OLD.connector_id, OLD.line_id, OLD.client_id, OLD.operator_id,
    OLD.crm_links, OLD.session_ref, OLD.status, OLD.opened_at, OLD.handed_over_at, OLD.last_message_at,
    OLD.message_count, OLD.reconciled_to) IS NOT (NEW.dialog_id, NEW.title, NEW.connector_id, NEW.line_id,
    NEW.client_id, NEW.operator_id, NEW.crm_links, NEW.session_ref, NEW.status, NEW.opened_at, NEW.handed_over_at,
    NEW.last_message_at, NEW.message_count, NEW.reconciled_to)
BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE dialogs SET changed = (SELECT value FROM change_clock) WHERE chat_id = NEW.chat_id;
END;
