-- What the search index needs to know of the archive: whether it is still the same file, and which rows went away.

CREATE TABLE archive_identity (
    id                TEXT    NOT NULL
);
INSERT INTO archive_identity VALUES (lower(hex(randomblob(8))));

CREATE TABLE removed_messages (
    number            INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id        INTEGER NOT NULL
);

CREATE TRIGGER message_is_removed AFTER DELETE ON messages BEGIN
    INSERT INTO removed_messages (message_id) VALUES (OLD.message_id);
END;
