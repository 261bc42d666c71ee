"""What does the jobs of the channels, by kind."""

from __future__ import annotations

from collections.abc import Mapping

from ..intake import CHANNEL_DELETE, CHANNEL_EDIT, CHANNEL_SEND
from ..outbox import OneByOne
from . import kinds
from .accounts import Accounts
from .incoming import Arrivals, describe_chat, fill_gap, give_up_gap
from .outgoing import Answers, Statuses
from .parts import RelayParts
from .topic_posts import TopicPosts
from .topic_replies import TopicReplies

Does = OneByOne | Arrivals | Statuses | TopicPosts


def handlers(parts: RelayParts, accounts: Accounts) -> Mapping[str, Does]:
    answers, replies = Answers(parts), TopicReplies(parts)
    return {
        kinds.CHANNEL_IN: Arrivals(parts),
        kinds.CHANNEL_STATUS: Statuses(parts),
        CHANNEL_SEND: OneByOne(answers.send, answers.buried),
        CHANNEL_EDIT: OneByOne(answers.edit),
        CHANNEL_DELETE: OneByOne(answers.delete),
        kinds.CHANNEL_DESCRIBE: OneByOne(lambda job: describe_chat(parts, job)),
        kinds.CHANNEL_READ: OneByOne(answers.mark_read),
        kinds.CHANNEL_GAP: OneByOne(lambda job: fill_gap(parts, job), lambda job, reason: give_up_gap(parts, job)),
        kinds.CHANNEL_REPLY: OneByOne(replies.send),
        kinds.CHANNEL_ATTACH: OneByOne(accounts.attach),
        kinds.CHANNEL_TOPIC: TopicPosts(parts),
    }
