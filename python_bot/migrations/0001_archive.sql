-- Times are Unix seconds, UTC. A dialog is a chat of an open line; a session is one conversation inside it.

CREATE TABLE dialogs (
    chat_id           INTEGER PRIMARY KEY,
    dialog_id         TEXT    NOT NULL,
    title             TEXT    NOT NULL DEFAULT '',
    entity_id         TEXT    NOT NULL DEFAULT '',
    connector_id      TEXT    NOT NULL DEFAULT '',
    line_id           INTEGER,
    client_id         INTEGER,
    operator_id       INTEGER,
    crm_links         TEXT    NOT NULL DEFAULT '',
    session_ref       INTEGER REFERENCES sessions (id),
    status            TEXT    NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed')),
    opened_at         INTEGER NOT NULL,
    handed_over_at    INTEGER,
    last_message_at   INTEGER,
    last_message_id   INTEGER NOT NULL DEFAULT 0,
    message_count     INTEGER NOT NULL DEFAULT 0,
    -- The highest message that history has confirmed: the dialog is complete when it reached last_message_id.
    reconciled_to     INTEGER NOT NULL DEFAULT -1,
    reconciled_at     INTEGER
);

CREATE TABLE sessions (
    id                INTEGER PRIMARY KEY AUTOINCREMENT, -- jobs refer to it: never used twice
    session_id        INTEGER UNIQUE,           -- Bitrix24's number; NULL until a message tells it
    chat_id           INTEGER NOT NULL REFERENCES dialogs (chat_id),
    line_id           INTEGER,
    opened_at         INTEGER NOT NULL,
    opening_known     INTEGER NOT NULL DEFAULT 1,      -- 0: opened_at is only a time by which it had begun
    joined_at         INTEGER,                  -- when the bot's entry was announced
    closed_at         INTEGER,
    operator_id       INTEGER,
    handover          TEXT    NOT NULL DEFAULT '' CHECK (handover IN ('', 'asked', 'done', 'failed')),
    handed_over_at    INTEGER,
    handover_error    TEXT    NOT NULL DEFAULT '',
    reconciled_at     INTEGER                   -- when its history was read last
);
CREATE INDEX sessions_by_chat ON sessions (chat_id, opened_at, id);

CREATE TABLE users (
    user_id           INTEGER PRIMARY KEY,
    name              TEXT    NOT NULL DEFAULT '',
    kind              TEXT    NOT NULL,
    first_name        TEXT    NOT NULL DEFAULT '',
    last_name         TEXT    NOT NULL DEFAULT '',
    work_position     TEXT    NOT NULL DEFAULT ''
);

CREATE TABLE participants (
    chat_id           INTEGER NOT NULL,
    user_id           INTEGER NOT NULL,
    PRIMARY KEY (chat_id, user_id)
) WITHOUT ROWID;

CREATE TABLE messages (
    message_id        INTEGER PRIMARY KEY,
    chat_id           INTEGER NOT NULL REFERENCES dialogs (chat_id),
    session_ref       INTEGER REFERENCES sessions (id),
    author_id         INTEGER NOT NULL,
    author_kind       TEXT    NOT NULL,
    text              TEXT    NOT NULL,
    text_plain        TEXT,                     -- NULL when equal to text
    sent_at           INTEGER NOT NULL,
    sent_at_exact     INTEGER NOT NULL DEFAULT 0,
    edited_at         INTEGER,
    deleted_at        INTEGER,
    hidden            INTEGER NOT NULL DEFAULT 0,
    -- How much the text can be trusted: 0 only an edit or deletion was seen, 1 a secondary feed,
    -- 2 the bot's own event, 3 the portal's history.
    source            INTEGER NOT NULL
);
CREATE INDEX messages_by_chat ON messages (chat_id, message_id);

CREATE TABLE message_versions (
    message_id        INTEGER NOT NULL REFERENCES messages (message_id),
    version           INTEGER NOT NULL,
    text              TEXT    NOT NULL,
    replaced_at       INTEGER NOT NULL,
    PRIMARY KEY (message_id, version)
) WITHOUT ROWID;

CREATE TABLE files (
    message_id        INTEGER NOT NULL REFERENCES messages (message_id),
    file_id           INTEGER NOT NULL,
    name              TEXT    NOT NULL,
    size              INTEGER NOT NULL,
    type              TEXT    NOT NULL,
    url               TEXT    NOT NULL,
    PRIMARY KEY (message_id, file_id)
) WITHOUT ROWID;

-- Every accepted event without its credentials; the fingerprint makes a second delivery change nothing.
CREATE TABLE journal (
    id                INTEGER PRIMARY KEY,
    received_at       INTEGER NOT NULL,
    event             TEXT    NOT NULL,
    outcome           TEXT    NOT NULL,
    trace_id          TEXT    NOT NULL,
    fingerprint       BLOB    NOT NULL UNIQUE,
    format            TEXT    NOT NULL,
    body              BLOB    NOT NULL
);

CREATE TABLE outbox (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    kind              TEXT    NOT NULL,
    payload           TEXT    NOT NULL,
    lane              TEXT    NOT NULL,
    dedupe_key        TEXT    NOT NULL,
    trace_id          TEXT    NOT NULL,
    created_at        REAL    NOT NULL,
    due_at            REAL    NOT NULL,
    claimed_until     REAL    NOT NULL DEFAULT 0,
    attempts          INTEGER NOT NULL DEFAULT 0,
    last_error        TEXT    NOT NULL DEFAULT '',
    buried_at         REAL
);
-- A job that is being done blocks no new one: what asks for it again may have come too late for it.
CREATE UNIQUE INDEX outbox_dedupe ON outbox (dedupe_key) WHERE buried_at IS NULL AND claimed_until = 0;
CREATE INDEX outbox_due ON outbox (kind, due_at, id) WHERE buried_at IS NULL;
CREATE INDEX outbox_lane ON outbox (lane, id) WHERE buried_at IS NULL;

-- Which of our connectors serves which line.
CREATE TABLE connector_lines (
    connector_id      TEXT    NOT NULL,
    line_id           INTEGER NOT NULL,
    active            INTEGER NOT NULL,
    changed_at        INTEGER NOT NULL,
    PRIMARY KEY (connector_id, line_id)
) WITHOUT ROWID;

-- Small facts about the instance as JSON: the bot's id, the state of the lines, the fetch offset.
CREATE TABLE facts (
    name              TEXT    PRIMARY KEY,
    value             TEXT    NOT NULL
) WITHOUT ROWID;
