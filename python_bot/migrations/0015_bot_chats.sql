-- The bot's private chats with employees: one for each person, found again at every installation.
-- `wanted`: may give commands. Times are Unix seconds; NULL: never. `chat_id`: NULL until the portal told it.
CREATE TABLE bot_chats (
    user_id           INTEGER PRIMARY KEY,
    bot_id            INTEGER NOT NULL DEFAULT 0,
    chat_id           INTEGER,
    wanted            INTEGER NOT NULL DEFAULT 1,
    greeted_at        INTEGER,
    tested_at         INTEGER,
    asked_at          INTEGER,
    answered_at       INTEGER
) WITHOUT ROWID;
