-- Topics of a group as a desk: what goes into a topic ('topic'), and what was written there for a client ('client').
-- `body`: what is to be shown or sent, until it is; `post_ids`: its numbers in the group.
CREATE TABLE channel_posts (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id        INTEGER NOT NULL REFERENCES channel_accounts (id) ON DELETE CASCADE,
    chat_id           TEXT NOT NULL,
    direction         TEXT NOT NULL,
    sent_at           INTEGER NOT NULL,
    status            TEXT NOT NULL,
    body              TEXT NOT NULL,
    problem           TEXT NOT NULL DEFAULT '',
    post_ids          TEXT NOT NULL DEFAULT '',
    tried_at          INTEGER
);
CREATE INDEX channel_posts_waiting ON channel_posts (account_id, chat_id, direction, sent_at, id)
    WHERE status IN ('waiting', 'sending');
