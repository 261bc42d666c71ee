"""The bot writes to the employees who look after it: a greeting, a test, an answer to a command.

The dialog is always a person's number: in the portal that is the one private chat of that person with the bot, the same
for ever. https://apidocs.bitrix24.com/api-reference/chat-bots/outdated/messages/imbot-message-add.html
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..archive import Archive, Staff
from ..bitrix.client import BitrixClient
from ..bitrix.payload import Node
from ..db import Storage
from ..errors import CallRefused, PortalUnavailable
from ..model import Job
from . import texts
from .state import State

log = logging.getLogger(__name__)


class StaffJobs:
    def __init__(
        self, storage: Storage, archive: Archive, staff: Staff, client: BitrixClient, state: Callable[[], State]
    ) -> None:
        self._storage = storage
        self._archive = archive
        self._staff = staff
        self._client = client
        self._state = state

    def answer(self, job: Job) -> None:
        """Answer a command; urgent: somebody looks at the screen. Nothing is said to who lost the right meanwhile."""
        user_id, command = job.payload["user_id"], job.payload["command"]
        chat = self._staff.chat(user_id)
        if chat is None or not chat.wanted:
            return
        text = texts.answer(command, self._state(), texts.language_of(job.payload["language"]))
        self._say(user_id, text, urgent=True)
        self._storage.write(lambda tx: self._staff.answered(tx, user_id, int(time.time())))
        log.info("answered the command %s of employee %d", command, user_id, extra={"trace_id": job.trace_id})

    def greet(self, job: Job) -> None:
        """The first words to an employee, once for each bot; a test is sent whenever it is asked for."""
        user_id, is_test = job.payload["user_id"], job.payload["test"]
        chat, bot_id = self._staff.chat(user_id), self._bot_id()
        if chat is None or not chat.wanted:
            return
        is_known = chat.bot_id == bot_id and chat.greeted_at is not None
        if is_known and not is_test:
            return
        language = texts.language_of(job.payload["language"])
        self._say(user_id, texts.test(language) if is_known else texts.greeting(language), urgent=is_test)
        if is_test:
            self._storage.write(lambda tx: self._staff.tested(tx, user_id, int(time.time())))

    def _say(self, user_id: int, text: str, *, urgent: bool) -> None:
        bot_id, known = self._bot_id(), self._staff.chat(user_id)
        params = {"BOT_ID": bot_id, "DIALOG_ID": user_id, "MESSAGE": text, "URL_PREVIEW": "N"}
        self._client.call("imbot.message.add", params, urgent=urgent)
        is_known = known is not None and known.bot_id == bot_id and known.chat_id
        chat_id = None if is_known else self._chat_id(bot_id, user_id)
        self._storage.write(lambda tx: self._staff.spoke(tx, user_id, bot_id, chat_id, int(time.time())))

    def _chat_id(self, bot_id: int, user_id: int) -> int | None:
        try:
            card = self._client.call("imbot.dialog.get", {"BOT_ID": bot_id, "DIALOG_ID": user_id})
        except CallRefused as refusal:
            log.info("the portal does not name the chat with employee %d: %s", user_id, refusal.code)
            return None
        return Node(card).number("id")

    def _bot_id(self) -> int:
        bot_id: int = (self._archive.fact("portal") or {}).get("bot_id") or 0
        if not bot_id:
            raise PortalUnavailable("the bot is not registered yet", retry_after_s=2.0)
        return bot_id
