-- People who look into the archive with a browser. Of a cookie only the hash is kept, of an API token a keyed hash.
-- `lines`: a JSON list of the lines that are shown; NULL: all. `own`: only dialogs in which the person takes part.
CREATE TABLE visits (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    cookie            TEXT    NOT NULL UNIQUE,
    authority         TEXT    NOT NULL,
    name              TEXT    NOT NULL,
    user_id           INTEGER,                  -- in the portal; NULL: entered with a token
    rights            TEXT    NOT NULL CHECK (rights IN ('read', 'export', 'admin')),
    lines             TEXT,
    own               INTEGER NOT NULL DEFAULT 0,
    begun_at          INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL
);
CREATE INDEX visits_by_end ON visits (expires_at);

-- Who looked at what. `chat_id` 0: at no single conversation. `token`: the name of the token, NULL: not with one.
CREATE TABLE looks (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    at                INTEGER NOT NULL,
    chat_id           INTEGER NOT NULL,
    what              TEXT    NOT NULL,
    user_id           INTEGER,
    token             TEXT
);
CREATE INDEX looks_by_time ON looks (at);
CREATE INDEX looks_by_chat ON looks (chat_id, id);
