-- Every request that came in or went out. Values of bodies, tokens and queries are never here.
-- Texts that repeat (shapes of bodies, user agents) are kept once.
CREATE TABLE http_texts (
    id                INTEGER PRIMARY KEY,
    text              TEXT    NOT NULL UNIQUE,
    seen_at           INTEGER NOT NULL          -- used at that time, or up to a day later
);

CREATE TABLE http_journal (
    id                INTEGER PRIMARY KEY AUTOINCREMENT, -- readers go on behind a number: never used twice
    at                REAL    NOT NULL,
    direction         TEXT    NOT NULL,
    kind              TEXT    NOT NULL,
    method            TEXT    NOT NULL,
    path              TEXT    NOT NULL,
    status            INTEGER,                  -- NULL: no answer came
    duration_ms       REAL    NOT NULL,
    trace_id          TEXT    NOT NULL,         -- '' when several causes share the request
    chat_id           INTEGER,
    job               TEXT    NOT NULL,
    subject           TEXT    NOT NULL,
    portal            TEXT    NOT NULL,
    fetch_mode        TEXT    NOT NULL,
    fetch_dest        TEXT    NOT NULL,
    authorization     TEXT    NOT NULL,
    outcome           TEXT    NOT NULL,
    error_code        TEXT    NOT NULL,
    error_text        TEXT    NOT NULL,
    user_agent        INTEGER,
    request_shape     INTEGER,
    answer_shape      INTEGER,
    count             INTEGER NOT NULL
);
-- None by trace: it would cost a page of the disk for every event, and a million rows are read through in a third of a second.
CREATE INDEX http_journal_by_time ON http_journal (at);
CREATE INDEX http_journal_by_chat ON http_journal (chat_id) WHERE chat_id IS NOT NULL;

-- The causes of a request that has several: fifty hand-overs leave as one.
CREATE TABLE http_journal_causes (
    entry_id          INTEGER NOT NULL,
    trace_id          TEXT    NOT NULL,
    chat_id           INTEGER,
    job               TEXT    NOT NULL
);
CREATE INDEX http_journal_causes_by_entry ON http_journal_causes (entry_id);
CREATE INDEX http_journal_causes_by_trace ON http_journal_causes (trace_id);
CREATE INDEX http_journal_causes_by_chat ON http_journal_causes (chat_id) WHERE chat_id IS NOT NULL;
