"""What the messenger keeps: people, bots, chats, topics, messages, files; and their wire shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

GENERAL_TOPIC = 1
# Kinds that have to be asked for by name.
ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
RIGHTS = (
    "can_manage_chat", "can_delete_messages", "can_manage_video_chats", "can_restrict_members",
    "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories", "can_edit_stories",
    "can_delete_stories", "can_send_welcome_messages",
)  # fmt: skip
# Of groups only; every right is in an answer, those that are off too.
GROUP_RIGHTS = ("can_pin_messages", "can_manage_topics")


@dataclass(slots=True)
class Person:
    """An account of the messenger; the same in all chats and for all bots."""

    id: int
    first_name: str
    last_name: str = ""
    username: str = ""
    language_code: str = "ru"
    is_deactivated: bool = False

    def user(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": False, "first_name": self.first_name} | _given(
            last_name=self.last_name, username=self.username, language_code=self.language_code
        )


@dataclass(slots=True)
class Bot:
    """`allowed_updates` None: every kind but those that have to be asked for. `privacy`: sees little in groups."""

    id: int
    token: str = field(repr=False)
    first_name: str
    username: str
    privacy: bool = True
    has_topics: bool = False
    allowed_updates: frozenset[str] | None = None
    commands: dict[str, list[dict[str, str]]] = field(default_factory=dict)  # by scope and language

    def user(self) -> dict[str, Any]:
        return {"id": self.id, "is_bot": True, "first_name": self.first_name, "username": self.username}

    def wants(self, kind: str) -> bool:
        return kind not in ON_REQUEST if self.allowed_updates is None else kind in self.allowed_updates


@dataclass(slots=True)
class Member:
    """Somebody in a group. `status`: creator, administrator (with `rights`), member, restricted, left, kicked."""

    who: Person | Bot
    status: str = "member"
    rights: frozenset[str] = frozenset()
    may_write: bool = True

    def wire(self) -> dict[str, Any]:
        found: dict[str, Any] = {"user": self.who.user(), "status": self.status}
        if self.status == "administrator":
            found |= {"can_be_edited": False, "is_anonymous": False}
            found |= {right: right in self.rights for right in RIGHTS + GROUP_RIGHTS}
        elif self.status == "creator":
            found |= {"is_anonymous": False}
        elif self.status == "kicked":
            found |= {"until_date": 0}
        elif self.status == "restricted":
            found |= {"is_member": True, "until_date": 0} | {
                f"can_{what}": self.may_write
                for what in (
                    "send_messages", "send_audios", "send_documents", "send_photos", "send_videos",
                    "send_video_notes", "send_voice_notes", "send_polls", "send_other_messages",
                    "add_web_page_previews", "react_to_messages", "edit_tag", "change_info", "invite_users",
                    "pin_messages", "manage_topics",
                )
            }  # fmt: skip
        return found

    @property
    def is_in(self) -> bool:
        return self.status not in ("left", "kicked")


@dataclass(slots=True)
class Topic:
    """`thread_id`: the number of the service message that began it."""

    thread_id: int
    name: str
    icon_color: int
    icon_custom_emoji_id: str = ""
    closed: bool = False
    deleted: bool = False
    creator_id: int = 0

    def wire(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "message_thread_id": self.thread_id, "name": self.name, "icon_color": self.icon_color,
        }  # fmt: skip
        return found | _given(icon_custom_emoji_id=self.icon_custom_emoji_id)


@dataclass(slots=True)
class Chat:
    """A private chat of one bot with one person, or a group that several bots may be in.

    `blocked`: the person stopped the bot. `migrated_to`: this group is a supergroup under that id now.
    """

    id: int
    kind: str  # private, group, supergroup, channel
    title: str = ""
    person: Person | None = None
    bot: Bot | None = None
    is_forum: bool = False
    username: str = ""
    blocked: bool = False
    migrated_to: int = 0
    general_closed: bool = False
    members: dict[int, Member] = field(default_factory=dict)
    topics: dict[int, Topic] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)  # 'typing' and the like, as they came

    def wire(self) -> dict[str, Any]:
        if self.person is not None:
            who = self.person
            found: dict[str, Any] = {"id": self.id, "type": self.kind, "first_name": who.first_name}
            return found | _given(last_name=who.last_name, username=who.username)
        found = {"id": self.id, "type": self.kind, "title": self.title} | _given(username=self.username)
        return found | ({"is_forum": True} if self.is_forum else {})

    def next_message_id(self) -> int:
        """Unique in this chat only. A group has begun with messages that nobody needs here."""
        return max(self.messages, default=0 if self.kind == "private" else 8) + 1

    @property
    def shown(self) -> list[Message]:
        """What somebody who opens the chat sees, oldest first; deleted topics took their messages along."""
        return [
            message
            for message in self.messages.values()
            if not message.deleted and not (message.thread_id in self.topics and self.topics[message.thread_id].deleted)
        ]


@dataclass(slots=True)
class Message:
    """`content`: the fields that say what it is ('text', 'photo', 'caption', …) in their wire shape."""

    chat: Chat
    message_id: int
    date: int
    sender: Person | Bot | None
    content: dict[str, Any]
    thread_id: int = 0
    reply_to: Message | None = None
    edit_date: int = 0
    deleted: bool = False
    file: StoredFile | None = None
    is_service: bool = False

    def wire(self, inside: bool = False) -> dict[str, Any]:
        """`inside`: as the message that another one answers, which does not show what it answers itself."""
        found: dict[str, Any] = {"message_id": self.message_id}
        if self.thread_id:
            found |= {"message_thread_id": self.thread_id}
            found |= {"is_topic_message": True} if self.is_in_topic else {}
        if self.sender is not None:
            found["from"] = self.sender.user()
        found |= {"chat": self.chat.wire(), "date": self.date}
        if self.edit_date:
            found["edit_date"] = self.edit_date
        shown = self.reply_to or self._root()
        if shown is not None and not inside and shown is not self:
            found["reply_to_message"] = shown.wire(inside=True)
        return found | self.content

    @property
    def is_in_topic(self) -> bool:
        return self.thread_id in self.chat.topics

    def _root(self) -> Message | None:
        """In a forum what answers nothing is shown as an answer to the beginning of its topic."""
        if not self.is_in_topic or self.is_service or isinstance(self.sender, Bot):
            return None
        return self.chat.messages.get(self.thread_id)

    @property
    def kind(self) -> str:
        """'text', 'photo', 'forum_topic_created', …"""
        for kind in ("animation", "venue", "live_photo"):  # these come with a twin
            if kind in self.content:
                return kind
        skipped = {"entities", "caption", "caption_entities", "reply_markup", "media_group_id", "quote"}
        return next((name for name in self.content if name not in skipped), "")

    @property
    def text(self) -> str:
        """The text, or the caption."""
        return str(self.content.get("text", self.content.get("caption", "")))

    @property
    def by_bot(self) -> bool:
        return isinstance(self.sender, Bot)


@dataclass(slots=True)
class StoredFile:
    """`file_id` is good for one bot only; `path`: below /file/bot<token>/."""

    file_id: str
    unique_id: str
    bot_id: int
    content: bytes = field(repr=False)
    name: str
    type: str
    path: str
    kind: str = "document"
    width: int = 0
    height: int = 0

    @property
    def size(self) -> int:
        return len(self.content)

    def wire(self) -> dict[str, Any]:
        return {"file_id": self.file_id, "file_unique_id": self.unique_id, "file_size": self.size}


def _given(**values: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
