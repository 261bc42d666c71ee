-- Deleting a session looks for what refers to it.
CREATE INDEX messages_by_session ON messages (session_ref);
CREATE INDEX dialogs_by_session ON dialogs (session_ref);
