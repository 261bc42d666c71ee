"""Which thread does which job of the channels. None of them begins before an instance has an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..intake import CHANNEL_DELETE, CHANNEL_EDIT, CHANNEL_SEND
from ..outbox import OneByOne
from .accounts import Accounts
from .incoming import Arrivals, describe_chat, fill_gap, give_up_gap
from .kinds import (
    CHANNEL_ATTACH,
    CHANNEL_DESCRIBE,
    CHANNEL_GAP,
    CHANNEL_IN,
    CHANNEL_READ,
    CHANNEL_REPLY,
    CHANNEL_STATUS,
    CHANNEL_TOPIC,
)
from .outgoing import Answers, Statuses
from .parts import RelayParts
from .topic_posts import TopicPosts
from .topic_replies import TopicReplies

DORMANT: Final = ("open line", "messengers", "more messengers", "topics")


Done = OneByOne | Arrivals | Statuses | TopicPosts


def relay_lanes(parts: RelayParts, accounts: Accounts) -> Mapping[str, Mapping[str, Done]]:
    """Thread -> kind -> handler. The portal has a thread of its own; a slow messenger does not hold another one up."""
    answers, replies = Answers(parts), TopicReplies(parts)
    messengers: dict[str, Done] = {
        CHANNEL_SEND: OneByOne(answers.send, answers.buried),
        CHANNEL_EDIT: OneByOne(answers.edit),
        CHANNEL_DELETE: OneByOne(answers.delete),
        CHANNEL_DESCRIBE: OneByOne(lambda job: describe_chat(parts, job)),
        CHANNEL_READ: OneByOne(answers.mark_read),
        CHANNEL_GAP: OneByOne(lambda job: fill_gap(parts, job), lambda job, reason: give_up_gap(parts, job)),
        CHANNEL_REPLY: OneByOne(replies.send),
    }
    return {
        "open line": {CHANNEL_IN: Arrivals(parts), CHANNEL_STATUS: Statuses(parts)},
        "messengers": {**messengers, CHANNEL_ATTACH: OneByOne(accounts.attach)},
        "more messengers": messengers,
        # Of its own: a group takes 20 messages a minute.
        "topics": {CHANNEL_TOPIC: TopicPosts(parts)},
    }
