"""The jobs of channels: what waits in the outbox, in which order, and what makes two of them the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..bitrix.payload import Node
from ..model import Job, NewJob

CHANNEL_IN: Final = "channel.in"
CHANNEL_DESCRIBE: Final = "channel.describe"
CHANNEL_STATUS: Final = "channel.status"
CHANNEL_ATTACH: Final = "channel.attach"
CHANNEL_READ: Final = "channel.read"
CHANNEL_TOPIC: Final = "channel.topic"
CHANNEL_REPLY: Final = "channel.reply"
CHANNEL_GAP: Final = "channel.gap"


def portal_place(job: Job) -> tuple[int, int]:
    """Chat and message of the portal that a job for an operator's message is about. Raises BadEvent."""
    im = Node(job.payload["item"]).node("im")
    return im.id("chat_id"), im.id("message_id")


def in_job(account_id: int, chat_id: str, due_at: float = 0.0, trace_id: str = "") -> NewJob:
    """Bring what waits in a chat to the portal; one for all of it."""
    lane = f"channel:{account_id}:{chat_id}"
    return NewJob(CHANNEL_IN, {"account_id": account_id, "channel_chat": chat_id}, lane, lane, trace_id, due_at)


def describe_job(account_id: int, chat_id: str) -> NewJob:
    """Ask the messenger what a new chat is about; before anything of it is shown, so in the same lane."""
    payload = {"account_id": account_id, "channel_chat": chat_id}
    return NewJob(
        CHANNEL_DESCRIBE, payload, f"channel:{account_id}:{chat_id}", f"channel.describe:{account_id}:{chat_id}"
    )


def status_job(
    account_id: int, portal_chat_id: int, portal_message_ids: Sequence[int], status: str, trace_id: str = ""
) -> NewJob:
    """Tell the portal what became of operators' messages; `status`: 'delivered' or 'read'."""
    lane = f"channel.status:{account_id}:{portal_chat_id}"
    payload = {
        "account_id": account_id,
        "chat_id": portal_chat_id,
        "message_ids": list(portal_message_ids),
        "status": status,
    }
    return NewJob(CHANNEL_STATUS, payload, lane, f"{lane}:{status}:{max(portal_message_ids)}", trace_id)


def attach_job(account_id: int, trace_id: str = "") -> NewJob:
    """Connect an account with its messenger and with its open line."""
    key = f"channel.attach:{account_id}"
    return NewJob(CHANNEL_ATTACH, {"account_id": account_id}, key, key, trace_id)


def read_job(account_id: int, chat_id: str) -> NewJob:
    """Show the client that the team has read the chat."""
    key = f"channel.read:{account_id}:{chat_id}"
    return NewJob(CHANNEL_READ, {"account_id": account_id, "channel_chat": chat_id}, key, key)


def topic_job(account_id: int, chat_id: str, due_at: float = 0.0, trace_id: str = "") -> NewJob:
    """Show what waits for the topic of a chat; a turn shows one thing, so that busy chats do not hold others up."""
    lane = f"{CHANNEL_TOPIC}:{account_id}:{chat_id}"
    return NewJob(CHANNEL_TOPIC, {"account_id": account_id, "channel_chat": chat_id}, lane, lane, trace_id, due_at)


def reply_job(account_id: int, chat_id: str, due_at: float = 0.0, trace_id: str = "") -> NewJob:
    """Send what was written in the topic of a chat to its client."""
    lane = f"{CHANNEL_REPLY}:{account_id}:{chat_id}"
    return NewJob(CHANNEL_REPLY, {"account_id": account_id, "channel_chat": chat_id}, lane, lane, trace_id, due_at)


def gap_job(account_id: int, chat_id: str, due_at: float, trace_id: str = "") -> NewJob:
    """Look for what was said before something that a messenger's call told, then show both."""
    lane = f"{CHANNEL_GAP}:{account_id}:{chat_id}"
    return NewJob(CHANNEL_GAP, {"account_id": account_id, "channel_chat": chat_id}, lane, lane, trace_id, due_at)
