"""People of the demo: clients in their messengers, operators in the portal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .model import Chat, Message, PrivateChat, Upload, User

if TYPE_CHECKING:
    from .core import Core


class Client:
    """A person who writes through a connector (Telegram, site chat, …)."""

    def __init__(self, core: Core, user: User, line_id: int, external_id: str) -> None:
        self._core = core
        self.user = user
        self.line_id = line_id
        self.external_id = external_id

    @property
    def user_id(self) -> int:
        return self.user.user_id

    @property
    def chat(self) -> Chat:
        """The chat of this client; there is one after the first message."""
        entity_id = f"{self.user.connector_id}|{self.line_id}|{self.external_id}|{self.user_id}"
        return self._core.chat_of_entity[entity_id]

    def writes(self, text: str = "", files: Sequence[Upload] = (), external_id: str = "") -> Message:
        """`external_id`: the message's id in the client's messenger."""
        with self._core.acting():
            return self._core.open_lines.client_writes(
                self.user, self.line_id, self.external_id, text, files, external_id
            )

    def edits(self, message: Message, text: str) -> None:
        with self._core.acting():
            self._core.open_lines.edit_message(message, text, self.user_id)

    def deletes(self, message: Message) -> None:
        with self._core.acting():
            self._core.open_lines.delete_message(message, self.user_id)


class Operator:
    """An employee who works with open lines."""

    def __init__(self, core: Core, user: User) -> None:
        self._core = core
        self.user = user

    @property
    def user_id(self) -> int:
        return self.user.user_id

    def answers(self, chat_id: int) -> None:
        """Presses "Answer": becomes the operator of the session."""
        with self._core.acting():
            self._core.open_lines.answer(self._chat(chat_id), self.user)

    def writes(self, chat_id: int, text: str = "", files: Sequence[Upload] = ()) -> Message:
        """To the client; somebody who writes has answered."""
        with self._core.acting():
            chat = self._chat(chat_id)
            self._core.open_lines.answer(chat, self.user)
            message = self._core.open_lines.add_message(chat, self.user_id, text, files)
            self._core.open_lines.operator_spoke(chat)
            return message

    def whispers(self, chat_id: int, text: str) -> Message:
        """In silent mode: only colleagues (and member bots) see it."""
        with self._core.acting():
            chat = self._chat(chat_id)
            chat.members.add(self.user_id)
            chat.silent = True
            message = self._core.open_lines.add_message(chat, self.user_id, text, whisper=True)
            chat.silent = False
            return message

    def tells_bot(self, bot_id: int, text: str) -> PrivateChat:
        """Writes to the bot in the private chat with it."""
        with self._core.acting():
            chat = self._core.private_chat(bot_id, self.user_id)
            chat.messages.append((self.user_id, text))
            self._core.events.private_message(chat, text)
            return chat

    def edits(self, message: Message, text: str) -> None:
        with self._core.acting():
            self._core.open_lines.edit_message(message, text, self.user_id)

    def deletes(self, message: Message) -> None:
        with self._core.acting():
            self._core.open_lines.delete_message(message, self.user_id)

    def transfers(self, chat_id: int, to_user: int = 0, to_line: int = 0) -> None:
        with self._core.acting():
            chat = self._chat(chat_id)
            if to_user:
                self._core.open_lines.transfer_to_user(chat, self._core.users[to_user], self.user)
            else:
                self._core.open_lines.transfer_to_line(chat, self._core.lines[to_line], self.user)

    def finishes(self, chat_id: int) -> None:
        with self._core.acting():
            self._core.open_lines.finish(
                self._chat(chat_id), f"[USER={self.user_id}]{self.user.name}[/USER] завершил(а) диалог"
            )

    def _chat(self, chat_id: int) -> Chat:
        return self._core.chats[chat_id]
