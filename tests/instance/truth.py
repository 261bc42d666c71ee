"""What the portal holds of every conversation against what the API shows of it, word for word."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from python_bot.simulator import SimulatedPortal
from python_bot.simulator.events import MENTION
from python_bot.simulator.model import Chat, Message, Session
from tests.support import Server

PAGE = 20


def utc(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Texts:
    """Every text that a message ever had, in order: the portal itself forgets them."""

    def __init__(self) -> None:
        self._texts: dict[int, list[tuple[int, str]]] = {}

    def note(self, message: Message) -> None:
        since = int(message.edited_at or message.date)
        self._texts.setdefault(message.message_id, []).append((since, message.text))

    def of(self, message: Message) -> list[tuple[int, str]]:
        """Since when it had which text, oldest first."""
        return self._texts.get(message.message_id, [(int(message.date), message.text)])


class Follower(threading.Thread):
    """An integrator's copy: goes on from its last cursor, whatever happens to the instance."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._server = server
        self._ended = threading.Event()
        self._cursor = ""
        self.copy: dict[int, dict[str, Any]] = {}

    def run(self) -> None:
        while not self._ended.wait(0.1):
            self.catch_up()

    def catch_up(self) -> None:
        """Every change until now; fewer when the instance is away."""
        while True:
            try:
                page = self._server.api(f"/api/messages?limit=500{self._cursor}")
            except (OSError, http.client.HTTPException, ValueError, AssertionError):
                return
            for row in page["messages"]:
                self.copy[row["message_id"]] = row
            self._cursor = f"&cursor={quote(page['next_cursor'])}"
            if len(page["messages"]) < 500:
                return

    def stop(self) -> None:
        self._ended.set()
        if self.ident is not None:
            self.join(10)


class Truth:
    def __init__(self, portal: SimulatedPortal, server: Server, texts: Texts) -> None:
        self._portal, self._server, self._texts = portal, server, texts
        self.archived: dict[int, dict[str, Any]] = {}

    def differences(self) -> dict[int, list[str]]:
        """chat_id -> what is wrong with it in the archive; a chat that is right is not in it."""
        self._seen = {
            (delivery.event, delivery.message_id, delivery.ts)
            for delivery in self._portal.deliveries
            if delivery.status == 200
        }
        self.archived = {}
        listed = {row["chat_id"]: row for row in self._list("dialogs")}
        chats = {chat.chat_id: chat for chat in self._portal.chats if chat.messages}
        wrong = {chat_id: ["is in no portal"] for chat_id in listed.keys() - chats.keys()}
        for chat_id, chat in chats.items():
            if chat_id not in listed:
                wrong[chat_id] = [f"is missing, with {len(chat.messages)} messages"]
            elif found := list(self._of_chat(chat, listed[chat_id])):
                wrong[chat_id] = found
        return wrong

    def _list(self, kind: str) -> Iterator[dict[str, Any]]:
        cursor = ""
        while True:
            page = self._server.api(f"/api/{kind}?limit=500{cursor}")
            yield from page[kind]
            if page["next_cursor"] is None:
                return
            cursor = f"&cursor={quote(page['next_cursor'])}"

    def _of_chat(self, chat: Chat, listed: Mapping[str, Any]) -> Iterator[str]:
        page = self._server.api(f"/api/dialogs/{chat.chat_id}?limit={PAGE}")
        dialog, sessions, participants = page["dialog"], page["sessions"], page["participants"]
        rows = list(page["messages"])
        while page["next_cursor"] is not None:
            page = self._server.api(f"/api/dialogs/{chat.chat_id}?limit={PAGE}&cursor={quote(page['next_cursor'])}")
            rows += page["messages"]
        yield from _unequal("the dialog in the list and alone", dict(listed), dialog)
        yield from self._of_dialog(chat, dialog)
        yield from _unequal(
            "numbers of sessions", [s.session_id for s in chat.sessions], [s["session_id"] for s in sessions]
        )
        for session, shown in zip(chat.sessions, sessions, strict=False):
            yield from self._of_session(session, shown)
        yield from _unequal("ids of messages", [m.message_id for m in chat.messages], [m["message_id"] for m in rows])
        shown_of = {row["message_id"]: row for row in rows}
        self.archived |= shown_of
        for message in chat.messages:
            if message.message_id in shown_of:
                yield from self._of_message(message, shown_of[message.message_id])
        spoke = {message.author_id for message in chat.messages if message.author_id} | {chat.client_id}
        if not spoke <= {one["id"] for one in participants}:
            yield f"participants: {sorted(spoke)} spoke, {participants} are shown"

    def _of_dialog(self, chat: Chat, shown: Mapping[str, Any]) -> Iterator[str]:
        client = self._portal.core.users[chat.client_id]
        wanted = {
            "chat_id": chat.chat_id,
            "dialog_id": chat.dialog_id,
            "title": chat.title,
            "status": "closed" if chat.session.closed else "open",
            "session_id": chat.session.session_id,
            "line_id": chat.entry_line_id,
            "connector_id": chat.connector_id,
            "client": {"id": client.user_id, "name": client.name},
            "last_message_at": utc(chat.messages[-1].date),
            "message_count": len(chat.messages),
            "complete": True,
        }
        yield from _unequal("the dialog", wanted, {name: shown[name] for name in wanted})

    def _of_session(self, session: Session, shown: Mapping[str, Any]) -> Iterator[str]:
        own = self._portal.history(session.session_id)
        name = f"session {session.session_id}"
        began = {utc(session.started_at), utc(own[0].date)}
        if shown["opened_at"] not in began:
            yield f"{name} began {began}, shown is {shown['opened_at']}"
        ended = {None}
        if session.closed_at is not None:
            last = self._portal.core.messages[session.end_id]
            ended = {utc(session.closed_at), utc(last.date)}
        if shown["closed_at"] not in ended:
            yield f"{name} ended {ended}, shown is {shown['closed_at']}"

    def _of_message(self, message: Message, shown: Mapping[str, Any]) -> Iterator[str]:
        author = self._portal.core.users.get(message.author_id)
        kind = "system" if author is None else "client" if author.is_client else "bot" if author.bot else "operator"
        wanted = {
            "chat_id": message.chat_id,
            "session_id": message.session_id,
            "author": {"id": message.author_id, "name": author.name if author else "", "kind": kind},
            "sent_at": utc(message.date),
            "sent_at_exact": True,
            "edited": message.edited,
            "deleted": message.deleted,
        }
        marks = {"edited": shown["edited_at"] is not None, "deleted": shown["deleted_at"] is not None}
        name = f"message {message.message_id}"
        yield from _unequal(name, wanted, {key: marks[key] if key in marks else shown[key] for key in wanted})
        texts = self._texts.of(message)
        if not message.deleted:
            yield from _unequal(f"{name}, text", message.text, shown["text"])
            files = [(f.file_id, f.name, len(f.content), f.kind) for f in message.files]
            yield from _unequal(
                f"{name}, files", files, [(f["id"], f["name"], f["size"], f["type"]) for f in shown["files"]]
            )
        else:
            # The portal itself no longer tells the text: what we have is what came before the deletion.
            was_told = ("ONIMBOTMESSAGEADD", message.message_id, int(message.date)) in self._seen
            once = {form for _, text in texts for form in (text, MENTION.sub("", text).strip())}
            if shown["text"] not in once | (set() if was_told else {""}):
                yield f"{name} was deleted, its text was {texts}, shown is {shown['text']!r}"
            yield from _unequal(f"{name}, files", [f.file_id for f in message.files], [f["id"] for f in shown["files"]])
        if message.edited and not message.deleted:
            yield from self._versions(message, texts, name)

    def _versions(self, message: Message, texts: list[tuple[int, str]], name: str) -> Iterator[str]:
        """What was told before an edit is still there."""
        events = {texts[0][0]: "ONIMBOTMESSAGEADD"}
        told = {
            text
            for since, text in texts
            if (events.get(since, "ONIMBOTMESSAGEUPDATE"), message.message_id, since) in self._seen
        } - {message.text}
        rows = self._server.sql("SELECT text FROM message_versions WHERE message_id = ?", message.message_id)
        if not told <= {text for (text,) in rows}:
            yield f"{name} was told as {sorted(told)}, former texts are {rows}"


def _unequal(what: str, wanted: Any, shown: Any) -> Iterator[str]:
    if wanted == shown:
        return
    if isinstance(wanted, dict) and isinstance(shown, dict):
        for key in sorted(wanted.keys() | shown.keys()):
            yield from _unequal(f"{what}, {key}", wanted.get(key), shown.get(key))
    else:
        yield f"{what}: should be {wanted!r}, is {shown!r}"
