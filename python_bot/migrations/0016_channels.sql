-- Messengers as channels of open lines. Times are Unix seconds.

-- One bot or shop. `line_id`: NULL until an open line is chosen; `problem` is the messenger's, `line_problem` the
-- portal's; `cursor`: how far the messenger was asked; `options`, `facts`: JSON maps.
CREATE TABLE channel_accounts (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    channel           TEXT NOT NULL,
    external_id       TEXT NOT NULL,
    name              TEXT NOT NULL,
    url               TEXT NOT NULL DEFAULT '',
    line_id           INTEGER,
    connector_id      TEXT NOT NULL DEFAULT '',
    state             TEXT NOT NULL DEFAULT 'connecting',
    problem           TEXT NOT NULL DEFAULT '',
    line_problem      TEXT NOT NULL DEFAULT '',
    created_at        INTEGER NOT NULL,
    last_message_at   INTEGER,
    cursor            TEXT NOT NULL DEFAULT '',
    options           TEXT NOT NULL DEFAULT '{}',
    facts             TEXT NOT NULL DEFAULT '{}',
    UNIQUE (channel, external_id)
);

CREATE TABLE channel_secrets (
    account_id        INTEGER NOT NULL REFERENCES channel_accounts (id) ON DELETE CASCADE,
    name              TEXT NOT NULL,
    value             TEXT NOT NULL,
    PRIMARY KEY (account_id, name)
) WITHOUT ROWID;

-- What a messenger has told already, for longer than it repeats anything.
CREATE TABLE channel_seen (
    account_id        INTEGER NOT NULL REFERENCES channel_accounts (id) ON DELETE CASCADE,
    key               TEXT NOT NULL,
    at                INTEGER NOT NULL,
    PRIMARY KEY (account_id, key)
) WITHOUT ROWID;
CREATE INDEX channel_seen_by_time ON channel_seen (at);

-- `person`: the client as JSON, whose chat it is in the portal; `about`: what the chat is about, in a line.
-- `portal_chat_id`: NULL until the portal told it.
CREATE TABLE channel_chats (
    account_id        INTEGER NOT NULL REFERENCES channel_accounts (id) ON DELETE CASCADE,
    chat_id           TEXT NOT NULL,
    name              TEXT NOT NULL DEFAULT '',
    url               TEXT NOT NULL DEFAULT '',
    person            TEXT NOT NULL DEFAULT '',
    about             TEXT NOT NULL DEFAULT '',
    state             TEXT NOT NULL DEFAULT 'open',
    portal_chat_id    INTEGER,
    PRIMARY KEY (account_id, chat_id)
) WITHOUT ROWID;
CREATE INDEX channel_chats_of_portal ON channel_chats (portal_chat_id) WHERE portal_chat_id IS NOT NULL;

-- What goes through, in both directions. 'in': one row for each thing that happened, its content in `body` until the
-- portal has it. 'out': one row for each part of an operator's message, what it consists of in `body` of part 0.
CREATE TABLE channel_messages (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id        INTEGER NOT NULL REFERENCES channel_accounts (id) ON DELETE CASCADE,
    direction         TEXT NOT NULL,
    chat_id           TEXT NOT NULL,
    portal_chat_id    INTEGER,
    portal_message_id INTEGER,
    part              INTEGER NOT NULL DEFAULT 0,
    kind              TEXT NOT NULL,
    status            TEXT NOT NULL,
    problem           TEXT NOT NULL DEFAULT '',
    body              TEXT NOT NULL DEFAULT '',
    at                INTEGER NOT NULL,
    tried_at          INTEGER,
    tries             INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX channel_messages_out ON channel_messages (account_id, portal_message_id, part)
    WHERE direction = 'out';
CREATE INDEX channel_messages_of_portal ON channel_messages (portal_message_id) WHERE direction = 'out';
CREATE INDEX channel_messages_waiting ON channel_messages (account_id, chat_id, direction, id)
    WHERE status IN ('waiting', 'sending');
CREATE INDEX channel_messages_of_chat ON channel_messages (account_id, chat_id, id);

-- A messenger's own numbers of a message; an album has several.
CREATE TABLE channel_message_ids (
    account_id        INTEGER NOT NULL REFERENCES channel_accounts (id) ON DELETE CASCADE,
    message_id        TEXT NOT NULL,
    ref               INTEGER NOT NULL REFERENCES channel_messages (id) ON DELETE CASCADE,
    number            INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, message_id)
) WITHOUT ROWID;
CREATE INDEX channel_message_ids_of_message ON channel_message_ids (ref, number);

-- The topic of a group that shows a chat of an account. `state`: 'open', 'closed', 'gone'.
CREATE TABLE channel_topics (
    account_id        INTEGER NOT NULL REFERENCES channel_accounts (id) ON DELETE CASCADE,
    chat_id           TEXT NOT NULL,
    group_id          TEXT NOT NULL,
    thread_id         TEXT NOT NULL,
    state             TEXT NOT NULL DEFAULT 'open',
    PRIMARY KEY (account_id, chat_id),
    UNIQUE (group_id, thread_id)
) WITHOUT ROWID;
