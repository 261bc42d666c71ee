-- Which chats an event of the journal is about: 0 when it names none, -1 while nobody has looked at it yet.
CREATE TABLE journal_chats (
    chat_id           INTEGER NOT NULL,
    journal_id        INTEGER NOT NULL,
    PRIMARY KEY (chat_id, journal_id)
) WITHOUT ROWID;
INSERT INTO journal_chats SELECT -1, id FROM journal;

-- Conversations that were deleted: what was said in them must not come back from a late event or from history.
-- Numbers and times only.
CREATE TABLE erased_chats (
    chat_id           INTEGER PRIMARY KEY,
    message_id        INTEGER NOT NULL,         -- messages up to this one are gone
    before            INTEGER NOT NULL          -- and whatever was said before this time
);
CREATE TABLE erased_sessions (
    session_id        INTEGER PRIMARY KEY
);

CREATE INDEX participants_by_user ON participants (user_id, chat_id);
