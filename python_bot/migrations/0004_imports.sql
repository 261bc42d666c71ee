-- Archives of the former bot that were taken over: each has its own range of numbers below zero.
CREATE TABLE imports (
    id                INTEGER PRIMARY KEY,
    source            BLOB    NOT NULL UNIQUE   -- fingerprint of its first row
);

-- Every message that was taken over, also when the portal's own took its place: then it does not come again.
CREATE TABLE imported_messages (
    message_id        INTEGER PRIMARY KEY,
    replaced_by       INTEGER
);
CREATE UNIQUE INDEX imported_by_replacement ON imported_messages (replaced_by) WHERE replaced_by IS NOT NULL;
