-- Outgoing webhooks: who is told what, what happened, and what is to be sent. Only numbers are kept of what was said:
-- what is sent is read from the archive when it is sent.

CREATE TABLE subscriptions (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    url               TEXT    NOT NULL,
    events            TEXT    NOT NULL,         -- a JSON list
    line_id           INTEGER,                  -- only dialogs of this line; NULL: of all
    secret            TEXT    NOT NULL,
    active            INTEGER NOT NULL DEFAULT 1,
    created_at        INTEGER NOT NULL,
    disabled_at       INTEGER,
    disabled_reason   TEXT    NOT NULL DEFAULT ''
);

-- What happened, in order, since it was dealt out last. Written by the triggers below, by nobody else, and only while
-- somebody wants to be told.
CREATE TABLE happenings (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    event             TEXT    NOT NULL,
    chat_id           INTEGER NOT NULL,
    message_id        INTEGER,
    at                INTEGER NOT NULL
);

-- Deliveries of one subscription and one chat are sent in the order of their numbers. `chat_id` 0: a ping.
CREATE TABLE deliveries (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription_id   INTEGER NOT NULL,
    event             TEXT    NOT NULL,
    chat_id           INTEGER NOT NULL,
    message_id        INTEGER,
    created_at        INTEGER NOT NULL,
    state             TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed', 'dropped')),
    tries             INTEGER NOT NULL DEFAULT 0,
    tried_at          REAL,                     -- the first of these tries
    ended_at          INTEGER,
    response_status   INTEGER,
    last_error        TEXT    NOT NULL DEFAULT ''
);
CREATE INDEX deliveries_waiting ON deliveries (subscription_id, chat_id, id) WHERE state = 'waiting';
CREATE INDEX deliveries_by_subscription ON deliveries (subscription_id, state, id);
CREATE INDEX deliveries_by_chat ON deliveries (chat_id);
CREATE INDEX deliveries_ended ON deliveries (ended_at) WHERE ended_at IS NOT NULL;

-- Which chats have something waiting, and when its first delivery is due.
CREATE TABLE delivery_lanes (
    subscription_id   INTEGER NOT NULL,
    chat_id           INTEGER NOT NULL,
    due_at            REAL    NOT NULL,
    PRIMARY KEY (subscription_id, chat_id)
) WITHOUT ROWID;
CREATE INDEX delivery_lanes_due ON delivery_lanes (subscription_id, due_at);
CREATE INDEX delivery_lanes_by_chat ON delivery_lanes (chat_id);

CREATE TRIGGER told_dialog_opened AFTER INSERT ON dialogs WHEN EXISTS (SELECT 1 FROM subscriptions WHERE active)
BEGIN
    INSERT INTO happenings (event, chat_id, at) VALUES ('dialog.opened', NEW.chat_id, CAST(strftime('%s', 'now') AS INTEGER));
END;

CREATE TRIGGER told_dialog_status AFTER UPDATE OF status ON dialogs
WHEN OLD.status <> NEW.status AND EXISTS (SELECT 1 FROM subscriptions WHERE active)
BEGIN
    INSERT INTO happenings (event, chat_id, at) VALUES
        (CASE NEW.status WHEN 'open' THEN 'dialog.opened' ELSE 'dialog.closed' END, NEW.chat_id, CAST(strftime('%s', 'now') AS INTEGER));
END;

CREATE TRIGGER told_message_created AFTER INSERT ON messages WHEN EXISTS (SELECT 1 FROM subscriptions WHERE active)
BEGIN
    INSERT INTO happenings (event, chat_id, message_id, at)
        VALUES ('message.created', NEW.chat_id, NEW.message_id, CAST(strftime('%s', 'now') AS INTEGER));
    -- History, or an event that overtook others, may bring one that was deleted already.
    INSERT INTO happenings (event, chat_id, message_id, at)
        SELECT 'message.deleted', NEW.chat_id, NEW.message_id, CAST(strftime('%s', 'now') AS INTEGER)
        WHERE NEW.deleted_at IS NOT NULL;
END;

-- The change clock tells whatever a reader sees; 0 is a message that it has not reached yet.
CREATE TRIGGER told_message_updated AFTER UPDATE OF changed ON messages
WHEN OLD.changed <> 0 AND OLD.changed <> NEW.changed AND EXISTS (SELECT 1 FROM subscriptions WHERE active)
BEGIN
    INSERT INTO happenings (event, chat_id, message_id, at)
        VALUES ('message.updated', NEW.chat_id, NEW.message_id, CAST(strftime('%s', 'now') AS INTEGER));
END;

CREATE TRIGGER told_message_edited AFTER UPDATE OF text, edited_at ON messages
WHEN (OLD.text <> NEW.text OR OLD.edited_at IS NOT NEW.edited_at)
    AND EXISTS (SELECT 1 FROM subscriptions WHERE active)
BEGIN
    INSERT INTO happenings (event, chat_id, message_id, at)
        VALUES ('message.edited', NEW.chat_id, NEW.message_id, CAST(strftime('%s', 'now') AS INTEGER));
END;

CREATE TRIGGER told_message_deleted AFTER UPDATE OF deleted_at ON messages
WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL AND EXISTS (SELECT 1 FROM subscriptions WHERE active)
BEGIN
    INSERT INTO happenings (event, chat_id, message_id, at)
        VALUES ('message.deleted', NEW.chat_id, NEW.message_id, CAST(strftime('%s', 'now') AS INTEGER));
END;

-- One of the sessions was compared after its last message; whether the dialog is complete is looked at when it is dealt.
CREATE TRIGGER told_dialog_complete AFTER UPDATE OF reconciled_at, reconciled_to, last_message_id ON sessions
WHEN (OLD.reconciled_at IS NULL OR OLD.reconciled_to < OLD.last_message_id)
    AND NEW.reconciled_at IS NOT NULL AND NEW.reconciled_to >= NEW.last_message_id
    AND EXISTS (SELECT 1 FROM subscriptions WHERE active)
BEGIN
    INSERT INTO happenings (event, chat_id, at) VALUES ('dialog.complete', NEW.chat_id, CAST(strftime('%s', 'now') AS INTEGER));
END;
