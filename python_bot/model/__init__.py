"""The values of the domain. Frozen, standard library only; times are Unix seconds, UTC.

Words are Bitrix24's own: a *dialog* is a chat of an open line (`chat_id`), a *session* is one conversation
inside it (`session_id`); a client who returns later opens a new session in the same dialog.
"""

from .completeness import Captured, CompletenessTotals, DialogDay, Difference, Differences, ManifestDay, Sealable
from .conversation import (
    AuthorKind,
    ChatFacts,
    FileRef,
    FileState,
    Message,
    MessageVersion,
    Notice,
    NoticeKind,
    StoredFile,
    User,
)
from .jobs import BuriedJob, Job, NewJob, OutboxDepth
from .portal import BotChat, BotCommand, Handover, Lines
from .reading import (
    ANY_DIALOG,
    Changes,
    Choices,
    DialogFilter,
    DialogOrder,
    Document,
    Excerpt,
    Found,
    Glimpse,
    JsonLines,
    JsonPage,
    MessageOrder,
    Overview,
    Passage,
)
from .sources import HistoryMessage, JournalEntry, RawAnswer, SessionCheck, SessionHistory
from .times import iso_utc, time_text

__all__ = [
    "ANY_DIALOG",
    "AuthorKind",
    "BotChat",
    "BotCommand",
    "BuriedJob",
    "Captured",
    "Changes",
    "ChatFacts",
    "Choices",
    "CompletenessTotals",
    "DialogDay",
    "DialogFilter",
    "DialogOrder",
    "Difference",
    "Differences",
    "Document",
    "Excerpt",
    "FileRef",
    "FileState",
    "Found",
    "Glimpse",
    "Handover",
    "HistoryMessage",
    "Job",
    "JournalEntry",
    "JsonLines",
    "JsonPage",
    "Lines",
    "ManifestDay",
    "Message",
    "MessageOrder",
    "MessageVersion",
    "NewJob",
    "Notice",
    "NoticeKind",
    "OutboxDepth",
    "Overview",
    "Passage",
    "RawAnswer",
    "Sealable",
    "SessionCheck",
    "SessionHistory",
    "StoredFile",
    "User",
    "iso_utc",
    "time_text",
]
