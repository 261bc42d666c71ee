"""Open lines: how a conversation starts, who answers it, how it ends."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .model import (
    STATUS_ANSWER,
    STATUS_CLIENT,
    STATUS_CLOSED,
    STATUS_OPERATOR,
    STATUS_SKIP,
    Bot,
    Chat,
    Line,
    Message,
    Session,
    Upload,
    User,
)

if TYPE_CHECKING:
    from .core import Core

TEXT_LIMIT = 20_000
HANDED_OVER = "Чат-бот завершил работу, обращение направлено в очередь"


class OpenLines:
    """The rules of a conversation. Every method runs inside a hit of the portal."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._timers: list[tuple[float, int]] = []  # (due, session id): the bot's time is up

    # messages

    def client_writes(
        self,
        user: User,
        line_id: int,
        external_chat_id: str,
        text: str,
        files: Sequence[Upload] = (),
        external_id: str = "",
        date: float | None = None,
        author_id: int | None = None,
    ) -> Message:
        """A message from outside: opens the chat and a session when there is none."""
        chat, new_chat = self.chat_for(user, line_id, external_chat_id)
        if not chat.sessions or chat.session.closed:
            self.open_session(chat, new_chat)
        params: dict[str, Any] = {"CONNECTOR_MID": [external_id]} if external_id else {}
        author = user.user_id if author_id is None else author_id
        message = self.add_message(chat, author, text, files, params=params, system=author == 0, date=date)
        session = chat.session
        if session.bot_phase and text.strip() == "0":
            self.end_bot_phase(chat, "text")
        elif session.status >= STATUS_ANSWER:
            session.status = STATUS_CLIENT
        return message

    def add_message(
        self,
        chat: Chat,
        author_id: int,
        text: str,
        files: Sequence[Upload] = (),
        *,
        system: bool = False,
        whisper: bool = False,
        to_client: bool = True,
        params: dict[str, Any] | None = None,
        date: float | None = None,
    ) -> Message:
        core = self._core
        if len(text) > TEXT_LIMIT:
            text = text[:TEXT_LIMIT] + " (...)"
        stored = [core.store_file(upload, chat, author_id) for upload in files]
        own_params = {"FILE_ID": [file.file_id for file in stored]} if stored else {}
        message = Message(
            message_id=core.next_id("message"),
            chat_id=chat.chat_id,
            session_id=chat.session.session_id,
            author_id=author_id,
            text=text,
            date=core.clock.now() if date is None else date,
            system=system,
            whisper=whisper,
            to_client=to_client and not whisper,
            files=stored,
            params=own_params | (params or {}),
            previous_id=chat.messages[-1].message_id if chat.messages else 0,
        )
        chat.messages.append(message)
        core.messages[message.message_id] = message
        core.events.message_added(chat, message)
        return message

    def say(self, chat: Chat, text: str, **params: Any) -> Message:
        """A system message, seen by operators and member bots only."""
        return self.add_message(chat, 0, text, system=True, to_client=False, params=params)

    def edit_message(self, message: Message, text: str, by_user_id: int) -> None:
        message.text, message.edited_at = text, self._core.clock.now()
        message.params["IS_EDITED"] = "Y"
        self._core.events.message_edited(self._core.chats[message.chat_id], message, by_user_id)

    def delete_message(self, message: Message, by_user_id: int) -> None:
        message.deleted_at = self._core.clock.now()
        message.params["IS_DELETED"] = "Y"
        self._core.events.message_deleted(self._core.chats[message.chat_id], message, by_user_id)

    # chats and sessions

    def chat_for(self, user: User, line_id: int, external_chat_id: str) -> tuple[Chat, bool]:
        core = self._core
        entity_id = f"{user.connector_id}|{line_id}|{external_chat_id}|{user.user_id}"
        known = core.chat_of_entity.get(entity_id)
        if known is not None:
            return known, False
        line = core.lines[line_id]
        chat = Chat(
            chat_id=core.next_id("chat"),
            title=f"{user.name} - {line.name}",
            connector_id=user.connector_id,
            entry_line_id=line_id,
            external_chat_id=external_chat_id,
            client_id=user.user_id,
            created_at=core.clock.now(),
            members={user.user_id},
            crm_lead_id=core.next_id("lead"),
        )
        core.chats[chat.chat_id] = core.chat_of_entity[entity_id] = chat
        return chat, True

    def open_session(self, chat: Chat, new_chat: bool, by_operator: bool = False) -> Session:
        """`by_operator`: an employee writes first, so no bot greets."""
        core = self._core
        session = Session(
            session_id=core.next_id("session"),
            chat_id=chat.chat_id,
            line_id=chat.entry_line_id,
            started_at=core.clock.now(),
            start_id=core.last_message_id + 1,
        )
        chat.sessions.append(session)
        chat.owner_id = 0
        core.sessions[session.session_id] = session
        core.events.session_event("ONSESSIONSTART", chat, session)
        line = core.lines[session.line_id]
        bot = core.bots.get(line.bot_id)
        greets = line.fields["WELCOME_BOT_JOIN"] == "always" or new_chat
        if bot is not None and bot.openline and greets and not by_operator:
            self._start_bot(chat, session, line, bot)
        else:
            self._queue(chat, session, line)
        return session

    def finish(self, chat: Chat, by: str) -> None:
        """Close the session: the bot hears the last words and leaves."""
        session = chat.session
        if session.closed:
            return
        votes = {"IMOL_VOTE_SID": session.session_id, "IMOL_VOTE_USER": session.vote, "IMOL_VOTE_HEAD": 0}
        last = self.say(chat, by, CLASS="bx-messenger-content-item-ol-end", **votes)
        session.closed_at, session.status = self._core.clock.now(), STATUS_CLOSED
        session.end_id, session.bot_phase = last.message_id, False
        chat.bots.clear()
        self._core.events.session_event("ONSESSIONFINISH", chat, session)

    def reopen(self, session: Session) -> None:
        """A closed session goes on under the same id; no bot is invited again."""
        chat = self._core.chats[session.chat_id]
        if not session.closed or session is not chat.session:
            raise ValueError("only the latest, closed session of a chat can be reopened")
        session.closed_at, session.end_id, session.status = None, 0, STATUS_OPERATOR
        self.say(chat, "Обращение возобновлено", CLASS="bx-messenger-content-item-ol-start")

    # who answers

    def end_bot_phase(self, chat: Chat, by: str) -> bool:
        """Bot -> queue. False when the session's operator is not a bot (any more)."""
        session = chat.session
        if session.closed or not session.bot_phase:
            return False
        line = self._core.lines[session.line_id]
        self._handed_over(session, by)
        if not line.bot_stays:
            chat.bots.clear()
        self.say(chat, HANDED_OVER)
        self._queue(chat, session, line)
        return True

    def answer(self, chat: Chat, user: User) -> None:
        """An operator takes the conversation."""
        session = chat.session
        if session.closed:
            session = self.open_session(chat, new_chat=False, by_operator=True)
        line = self._core.lines.get(session.line_id)
        if line is None or not line.bot_stays:
            chat.bots.clear()
        if session.operator_id == user.user_id and session.status >= STATUS_ANSWER:
            return
        if session.bot_phase:
            self._handed_over(session, "operator")
        self._take(chat, session, user)
        self.say(chat, f"{_mention(user)} начал(а) работу с диалогом")

    def transfer_to_user(self, chat: Chat, user: User, by: User | None) -> None:
        session = chat.session
        if session.bot_phase:
            self._handed_over(session, "transfer")
        if by is not None and by.user_id != user.user_id:
            chat.members.discard(by.user_id)
        self._take(chat, session, user)
        who = f"{_mention(by)} перенаправил(а)" if by is not None and not by.bot else "Чат-бот перенаправил"
        self.say(chat, f"{who} диалог на {_mention(user)}")

    def transfer_to_line(self, chat: Chat, line: Line, by: User | None) -> None:
        session = chat.session
        if session.bot_phase:
            self._handed_over(session, "transfer")
        if by is not None:
            chat.members.discard(by.user_id)
        left = self._core.lines.get(session.line_id)
        session.line_id = line.line_id
        who = f"{_mention(by)} перенаправил(а)" if by is not None and not by.bot else "Чат-бот перенаправил"
        self.say(chat, f"{who} диалог с линии [b]{left.name if left else ''}[/b] на линию [b]{line.name}[/b]")
        self._queue(chat, session, line)

    def operator_spoke(self, chat: Chat) -> None:
        chat.session.status = STATUS_OPERATOR

    # timers

    def run_timers(self) -> None:
        """Sessions whose bot had its WELCOME_BOT_TIME go to the queue by themselves."""
        now = self._core.clock.now()
        while self._timers and self._timers[0][0] <= now:
            _, session_id = heapq.heappop(self._timers)
            session = self._core.sessions[session_id]
            chat = self._core.chats[session.chat_id]
            if session is chat.session:
                self.end_bot_phase(chat, "timer")

    @property
    def timer_due(self) -> bool:
        return bool(self._timers) and self._timers[0][0] <= self._core.clock.now()

    def _start_bot(self, chat: Chat, session: Session, line: Line, bot: Bot) -> None:
        session.operator_id, session.bot_phase = bot.bot_id, True
        chat.bots.add(bot.bot_id)
        if line.bot_time_s > 0:
            heapq.heappush(self._timers, (self._core.clock.now() + line.bot_time_s, session.session_id))
        self._core.events.bot_joined(chat, bot)

    def _handed_over(self, session: Session, by: str) -> None:
        session.bot_phase = False
        session.handed_over_at, session.handed_over_by = self._core.clock.now(), by

    def _queue(self, chat: Chat, session: Session, line: Line) -> None:
        """Offer the conversation to the next operator; with nobody there it just waits."""
        session.status, session.operator_id, chat.owner_id = STATUS_SKIP, 0, 0
        working = [user_id for user_id in line.queue if self._core.users[user_id].active]
        if working:
            session.operator_id = working[line.next_in_queue % len(working)]
            line.next_in_queue += 1

    def _take(self, chat: Chat, session: Session, user: User) -> None:
        session.operator_id, session.status = user.user_id, STATUS_ANSWER
        chat.owner_id = user.user_id
        chat.members.add(user.user_id)


def _mention(user: User) -> str:
    return f"[USER={user.user_id}]{user.name}[/USER]"
