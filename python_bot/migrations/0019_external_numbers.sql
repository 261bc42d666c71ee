-- A client's message has the portal's number too, once the portal has shown it.
DROP INDEX channel_messages_of_portal;
CREATE INDEX channel_messages_of_portal ON channel_messages (portal_message_id) WHERE portal_message_id IS NOT NULL;
