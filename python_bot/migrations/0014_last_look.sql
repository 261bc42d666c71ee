-- A closed session is read once more some days after its end.

CREATE INDEX sessions_by_end ON sessions (closed_at) WHERE closed_at IS NOT NULL;
