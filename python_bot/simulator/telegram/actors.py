"""People of the messenger, as tests and the demo play them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..pictures import PNG, picture_of
from .core import Core
from .model import Bot, Chat, Member, Message, Person, StoredFile, Topic
from .shapes import file_content
from .text import found_entities


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that somebody sends. `kind`: photo, document, video, audio, voice, animation, video_note, sticker."""

    kind: str
    content: bytes = field(repr=False, default=PNG)
    name: str = ""
    type: str = ""
    caption: str = ""


class Somebody:
    """A person in one chat: a client in a private chat, or a member of a group."""

    def __init__(self, core: Core, person: Person, chat: Chat) -> None:
        self._core, self.person, self.chat = core, person, chat

    @property
    def id(self) -> int:
        return self.person.id

    @property
    def shown(self) -> list[Message]:
        """What this person sees in the chat, oldest first."""
        with self._core.lock:
            return self.chat.shown

    def writes(self, text: str, reply_to: Message | None = None, thread: Topic | int = 0, **more: Any) -> Message:
        """`more`: further fields in their wire shape (quote, external_reply, forward_origin …)."""
        entities = found_entities(text)
        content = {"text": text} | ({"entities": entities} if entities else {})
        return self.sends(content | more, reply_to, thread)

    def sends(
        self,
        content: dict[str, Any],
        reply_to: Message | None = None,
        thread: Topic | int = 0,
        file: StoredFile | None = None,
    ) -> Message:
        """A message of any kind, in its wire shape."""
        with self._core.lock:
            thread_id = thread.thread_id if isinstance(thread, Topic) else thread
            return self._core.post(self.chat, self.person, content, thread_id=thread_id, reply_to=reply_to, file=file)

    def edits(self, message: Message, text: str) -> Message:
        """The text, or the caption, becomes another."""
        with self._core.lock:
            name = "text" if "text" in message.content else "caption"
            kept = {key: value for key, value in message.content.items() if not key.endswith("entities")}
            entities = found_entities(text)
            message.content = kept | {name: text}
            if entities:
                message.content["entities" if name == "text" else "caption_entities"] = entities
            return self.touches(message)

    def touches(self, message: Message) -> Message:
        """An edit that changes nothing to be seen, as previews of links and moving places cause it."""
        with self._core.lock:
            message.edit_date = self._core.now()
            self._core.announce(message, "edited_message")
            return message

    def deletes(self, message: Message) -> None:
        """Nobody is told."""
        with self._core.lock:
            message.deleted = True

    # files

    def sends_file(self, attachment: Attachment, thread: Topic | int = 0, reply_to: Message | None = None) -> Message:
        """One of any kind; every bot that hears of it gets a file_id of its own."""
        with self._core.lock:
            content, stored = self._file(attachment)
            return self.sends(content, reply_to, thread, stored)

    def sends_photo(
        self, content: bytes = PNG, caption: str = "", thread: Topic | int = 0, reply_to: Message | None = None
    ) -> Message:
        return self.sends_file(Attachment("photo", content, "", "image/jpeg", caption), thread, reply_to)

    def sends_document(self, name: str, content: bytes, type: str = "", caption: str = "") -> Message:
        return self.sends_file(Attachment("document", content, name, type, caption))

    def sends_video(self, content: bytes = b"video", name: str = "clip.mp4", caption: str = "") -> Message:
        return self.sends_file(Attachment("video", content, name, "video/mp4", caption))

    def sends_voice(self, content: bytes = b"OggS voice") -> Message:
        return self.sends_file(Attachment("voice", content, "", "audio/ogg"))

    def sends_video_note(self, content: bytes = b"round video") -> Message:
        return self.sends_file(Attachment("video_note", content))

    def sends_audio(self, content: bytes = b"ID3 music", name: str = "song.mp3") -> Message:
        return self.sends_file(Attachment("audio", content, name, "audio/mpeg"))

    def sends_animation(self, content: bytes = b"moving", name: str = "cat.mp4", caption: str = "") -> Message:
        return self.sends_file(Attachment("animation", content, name, "video/mp4", caption))

    def sends_sticker(self, name: str = "sticker.webp", emoji: str = "😀", content: bytes = b"sticker") -> Message:
        """`name` tells the kind: .webp, .tgs (animated), .webm (video)."""
        with self._core.lock:
            message = self.sends_file(Attachment("sticker", content, name))
            message.content["sticker"]["emoji"] = emoji
            return message

    def sends_album(self, *attachments: Attachment, thread: Topic | int = 0) -> list[Message]:
        """Two to ten; one update each, in one go."""
        with self._core.lock:
            group = {"media_group_id": str(self._core.number("album", 13900000000000001))}
            return [
                self.sends(group | content, None, thread, stored)
                for content, stored in [self._file(attachment) for attachment in attachments]
            ]

    def _file(self, attachment: Attachment) -> tuple[dict[str, Any], StoredFile]:
        bot = self._core.bots_in(self.chat)[0]
        stored = self._core.store_file(
            bot, attachment.name, attachment.type, attachment.content, attachment.kind, picture_of(attachment.content)
        )
        content = file_content(self._core, stored, attachment.kind, {})
        return content | ({"caption": attachment.caption} if attachment.caption else {}), stored

    # the rest

    def sends_location(self, latitude: float = 55.75, longitude: float = 37.62) -> Message:
        return self.sends({"location": {"latitude": latitude, "longitude": longitude}})

    def sends_contact(self, phone: str = "79990000000") -> Message:
        """The own one."""
        contact = {"phone_number": phone, "first_name": self.person.first_name, "user_id": self.person.id}
        return self.sends({"contact": contact})

    def presses(self, message: Message, data: str) -> str:
        """A button under a message of the bot; returns the id of the query."""
        with self._core.lock:
            query_id = str(self._core.number("query", 4382000000000000001))
            self._core.callback_queries[query_id] = ""
            payload = {
                "id": query_id, "from": self.person.user(), "message": message.wire(),
                "chat_instance": str(self.chat.id), "data": data,
            }  # fmt: skip
            for bot in self._core.bots_in(self.chat):
                self._core.tell(bot, "callback_query", payload, self.chat.id)
            return query_id


class Client(Somebody):
    """A person in the private chat with a bot."""

    chat: Chat

    @property
    def bot(self) -> Bot:
        assert self.chat.bot is not None
        return self.chat.bot

    def starts(self, payload: str = "") -> Message:
        """Presses 'Start', perhaps behind a link with a payload."""
        return self.writes(f"/start {payload}".strip())

    def blocks_bot(self) -> None:
        self._switch(True)

    def unblocks_bot(self) -> None:
        self._switch(False)

    def _switch(self, blocked: bool) -> None:
        with self._core.lock:
            if self.chat.blocked == blocked:
                return
            self.chat.blocked = blocked
            was, now = ("member", "kicked") if blocked else ("kicked", "member")
            self._core.membership_changed(
                self.chat, self.bot, self.person, Member(self.bot, was), Member(self.bot, now)
            )

    def deletes_account(self) -> None:
        """Nobody is told; who writes is refused."""
        with self._core.lock:
            self.person.is_deactivated = True
            self.person.first_name, self.person.last_name, self.person.username = "Deleted Account", "", ""


class Group:
    """A group, its members and its topics."""

    def __init__(self, core: Core, chat: Chat) -> None:
        self._core, self.chat = core, chat

    @property
    def id(self) -> int:
        return self.chat.id

    @property
    def topics(self) -> list[Topic]:
        """Those that are there, the oldest first."""
        with self._core.lock:
            return [topic for topic in self.chat.topics.values() if not topic.deleted]

    def shown(self, topic: Topic | int | None = None) -> list[Message]:
        """What the group shows: in one topic (0: General), or everywhere."""
        thread_id = topic.thread_id if isinstance(topic, Topic) else topic
        with self._core.lock:
            return [message for message in self.chat.shown if thread_id in (None, message.thread_id)]

    def member(self, first_name: str, status: str = "member", **more: Any) -> Somebody:
        """A new person in the group."""
        with self._core.lock:
            person = self._core.add_person(first_name, **more)
            self.chat.members[person.id] = Member(person, status)
            return Somebody(self._core, person, self.chat)

    def joins(self, client: Client) -> Somebody:
        """Somebody who is known from a private chat."""
        with self._core.lock:
            self.chat.members[client.person.id] = Member(client.person)
            return Somebody(self._core, client.person, self.chat)

    def set_bot(
        self, bot: Bot, status: str = "administrator", rights: Sequence[str] = (), may_write: bool = True
    ) -> None:
        """Add a bot, change what it may do, or kick it ('kicked', 'left'); it hears of that."""
        with self._core.lock:
            old = self.chat.members.get(bot.id) or Member(bot, "left")
            new = self.chat.members[bot.id] = Member(bot, status, frozenset(rights), may_write)
            owner = next(member.who for member in self.chat.members.values() if member.status == "creator")
            assert isinstance(owner, Person)
            self._core.membership_changed(self.chat, bot, owner, old, new)

    def begins_topic(self, by: Somebody, name: str) -> Topic:
        with self._core.lock:
            return self._core.begin_topic(self.chat, by.person, name, 7322096)

    def closes(self, topic: Topic, by: Somebody) -> None:
        self._set_closed(topic, by, True)

    def reopens(self, topic: Topic, by: Somebody) -> None:
        self._set_closed(topic, by, False)

    def _set_closed(self, topic: Topic, by: Somebody, closed: bool) -> None:
        with self._core.lock:
            topic.closed = closed
            what = "forum_topic_closed" if closed else "forum_topic_reopened"
            self._core.serve(self.chat, by.person, {what: {}}, topic.thread_id)

    def deletes(self, topic: Topic) -> None:
        """Nobody is told."""
        with self._core.lock:
            topic.deleted = True

    def stops_being_a_forum(self) -> None:
        with self._core.lock:
            self.chat.is_forum = False

    def becomes_supergroup(self) -> Group:
        """Under another id; both chats say so, and the old one refuses everything from now on."""
        with self._core.lock:
            return Group(self._core, self._core.migrate(self.chat))
