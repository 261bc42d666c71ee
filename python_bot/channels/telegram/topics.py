"""Topics of a group: made, opened again, written to; and whether the bot may do that there.

No method lists topics (https://core.telegram.org/bots/api#createforumtopic): whoever makes one has to remember it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from ...errors import DeliveryFailed, TopicClosed, TopicGone
from .client import BotApi, Refused
from .finding import owner
from .inbound import PREFIX, message_id_of

NAME_LIMIT: Final = 128
MOST_LOOKS: Final = 60
END_GAP: Final = 8  # numbers in a row that are no message: behind them is nothing
ICON_COLOR: Final = 7322096  # blue, one of those that Telegram knows
_MARK: Final = "/"  # 'tg:-1002000000001/900': the topic 900 of a group
_GONE: Final = ("message thread not found", "topic_deleted", "topic_id_invalid")
_CLOSED: Final = "topic_closed"
_NOTHING_NEW: Final = "topic_not_modified"
_NO_FORUM: Final = "Telegram: в группе «{}» выключены темы. Включите их: настройки группы → «Темы»"
_NO_RIGHT: Final = (
    "Telegram: бот в группе «{}» не может управлять темами. Сделайте его администратором с правом «Управление темами»"
)
_NO_GROUP: Final = "Telegram: бот не состоит в группе {}. Добавьте его администратором с правом «Управление темами»"


def address(group_id: str, thread_id: str) -> str:
    return f"{PREFIX}{group_id}{_MARK}{thread_id}"


def split(chat_id: str) -> tuple[int, int]:
    """'tg:-1002000000001/900' -> (-1002000000001, 900); 0: no topic."""
    chat, _, thread = chat_id.removeprefix(PREFIX).partition(_MARK)
    return int(chat), int(thread or 0)


def check(api: BotApi, token: str, bot_id: str, group_id: str) -> str:
    """The title of a group where this bot can make topics. Raises DeliveryFailed with what is missing."""
    try:
        chat = api.call(token, "getChat", {"chat_id": _number(group_id)})
        member = api.call(token, "getChatMember", {"chat_id": _number(group_id), "user_id": int(bot_id)})
    except Refused as refused:
        if refused.status in (400, 403):
            raise DeliveryFailed(_NO_GROUP.format(group_id), status=refused.status, final=True) from None
        raise
    title = str(chat.get("title") or group_id)
    if not chat.get("is_forum"):
        raise DeliveryFailed(_NO_FORUM.format(title), status=400, final=True)
    if member.get("status") != "creator" and not member.get("can_manage_topics"):
        raise DeliveryFailed(_NO_RIGHT.format(title), status=400, final=True)
    return title


def create(api: BotApi, token: str, group_id: str, name: str) -> str:
    """Raises DeliveryFailed with what the bot lacks where that is why."""
    wanted = {"chat_id": _number(group_id), "name": name[:NAME_LIMIT] or "Avito", "icon_color": ICON_COLOR}
    try:
        return str(api.call(token, "createForumTopic", wanted)["message_thread_id"])
    except Refused as refused:
        if "not a forum" in refused.description:
            raise DeliveryFailed(_NO_FORUM.format(group_id), status=refused.status, final=True) from None
        if "not enough rights" in refused.description:
            raise DeliveryFailed(_NO_RIGHT.format(group_id), status=refused.status, final=True) from None
        raise


def reopen(api: BotApi, token: str, group_id: str, thread_id: str) -> None:
    try:
        api.call(token, "reopenForumTopic", {"chat_id": _number(group_id), "message_thread_id": int(thread_id)})
    except Refused as refused:
        if _NOTHING_NEW not in refused.description:
            raise meaning(refused) from None


def posted(api: BotApi, token: str, group_id: str, after: int, known: Collection[str]) -> tuple[str, ...]:
    """The messages of ours in a group after a number that are not known yet."""
    found: list[str] = []
    gap = 0
    for number in range(after + 1, after + 1 + MOST_LOOKS):
        message_id = message_id_of(int(group_id), number)
        whose = "another's" if message_id in known else owner(api, token, _number(group_id), number)
        gap = gap + 1 if whose == "nobody's" else 0
        if gap == END_GAP:
            break
        if whose == "ours":
            found.append(message_id)
    return tuple(found)


def meaning(refused: Refused) -> DeliveryFailed:
    """What became of the topic, where the refusal tells it."""
    if any(part in refused.description for part in _GONE):
        return TopicGone("Telegram: тему удалили", status=refused.status, final=True)
    if _CLOSED in refused.description:
        return TopicClosed("Telegram: тему закрыли", status=refused.status, final=True)
    return refused


def _number(group_id: str) -> Any:
    """Groups are numbers; '@name' is taken as well."""
    return int(group_id) if group_id.removeprefix("-").isdigit() else group_id
