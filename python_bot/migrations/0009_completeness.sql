-- Whether an event brought the message (1) or only the portal's history told it (0). NULL: nobody noted it yet.
ALTER TABLE messages ADD COLUMN by_event INTEGER;

-- What was captured on a day is counted in this index alone.
DROP INDEX messages_by_time;
CREATE INDEX messages_by_time ON messages (sent_at, message_id, chat_id, source, by_event);
