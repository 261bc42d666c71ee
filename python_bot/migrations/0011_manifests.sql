-- What the manifest of each day was: days since 1970 (UTC) and the SHA-256 of the file.
CREATE TABLE manifests (
    day               INTEGER PRIMARY KEY,
    digest            TEXT    NOT NULL,
    former            INTEGER NOT NULL DEFAULT 0 -- 1: of an archive that was put aside for an empty one
);

-- The keys of the hashes in them. They go with their dialog: then nobody can guess a text from its hash any more.
CREATE TABLE manifest_keys (
    chat_id           INTEGER PRIMARY KEY,
    key               BLOB    NOT NULL,
    since             INTEGER NOT NULL          -- the first day whose manifest uses it
);

-- Up to which message the manifests have told of the erasure.
ALTER TABLE erased_chats ADD COLUMN told INTEGER NOT NULL DEFAULT -1;
