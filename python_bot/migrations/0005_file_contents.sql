-- What became of the content of an attachment. `hash`: SHA-256 of the stored content, in hex.
ALTER TABLE files ADD COLUMN state TEXT NOT NULL DEFAULT 'metadata'
    CHECK (state IN ('metadata', 'waiting', 'stored', 'failed'));
ALTER TABLE files ADD COLUMN hash TEXT;
ALTER TABLE files ADD COLUMN stored_size INTEGER;
ALTER TABLE files ADD COLUMN problem TEXT NOT NULL DEFAULT '';

CREATE INDEX files_by_id ON files (file_id);
CREATE INDEX files_by_state ON files (state, file_id);
CREATE INDEX files_by_hash ON files (hash, stored_size) WHERE hash IS NOT NULL;

DROP TRIGGER file_changes;
CREATE TRIGGER file_changes AFTER UPDATE ON files
WHEN (OLD.name, OLD.size, OLD.type, OLD.url, OLD.state, OLD.problem)
    IS NOT (NEW.name, NEW.size, NEW.type, NEW.url, NEW.state, NEW.problem)
BEGIN
    UPDATE change_clock SET value = MAX(value + 1, CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));
    UPDATE messages SET changed = (SELECT value FROM change_clock) WHERE message_id = NEW.message_id;
END;

-- Contents that a deleted row referred to: to be removed from the disk, unless another row refers to them.
CREATE TABLE left_contents (
    hash              TEXT    PRIMARY KEY
) WITHOUT ROWID;
CREATE TRIGGER file_is_deleted AFTER DELETE ON files WHEN OLD.hash IS NOT NULL BEGIN
    INSERT OR IGNORE INTO left_contents VALUES (OLD.hash);
END;
