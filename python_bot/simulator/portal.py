"""The simulated portal: what tests and the demo hold in their hands."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Literal

from .actors import Client, Operator
from .apps import App
from .clock import Clock
from .core import Build, Core
from .doors import Doors
from .downloads import Downloads
from .faults import Faults, HttpFaults
from .http import Listener
from .journal import Call, Delivery
from .life import Service
from .limits import Limits
from .model import Chat, Line, Message, Session, Tokens, Upload, User, Webhook

DEFAULT_SCOPES = ("imbot", "imopenlines", "im", "disk")
TICK_S = 0.1


class SimulatedPortal(Service):
    """A Bitrix24 portal and its OAuth server on two loopback ports.

    limits: False is a self-hosted portal without a request limit.
    id_step: how far chat, session and message ids are apart (portals use 1 or 2).
    """

    def __init__(
        self,
        limits: bool | None = True,
        latency_s: float = 0.0,
        port: int = 0,
        oauth_port: int = 0,
        seed: int = 1,
        id_step: int = 2,
    ) -> None:
        self.core = Core(bool(limits), latency_s, seed, id_step)
        self._doors = Doors(self.core)
        self._portal = Listener(self._doors.portal, self.core.faults, port)
        self._oauth_server = Listener(self._doors.oauth, self.core.oauth_faults, oauth_port)
        self._moved: list[Listener] = []
        self._stopping = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="portal-timers", daemon=True)
        self.core.clock.on_advance(self._run_timers)
        self.core.users[1] = User(1, "Олег Админов", admin=True)
        self.add_user(27, "Иван Петров", position="Менеджер")
        self.add_line("Продажи", line_id=3, queue=[27])

    # life

    def _open(self) -> None:
        self._portal.open()
        self._oauth_server.open()
        self.core.url, self.core.oauth_url = self._portal.url, self._oauth_server.url
        self.core.queue.start()
        self._ticker.start()

    def close(self) -> None:
        self._stopping.set()
        self.core.faults.hang = self.core.oauth_faults.hang = False
        self.downloads.clear()
        self.core.queue.close()
        for listener in (self._portal, self._oauth_server, *self._moved):
            listener.close()
        if self._ticker.ident is not None:
            self._ticker.join()

    # where it is

    @property
    def url(self) -> str:
        return self.core.url

    @property
    def oauth_url(self) -> str:
        return self.core.oauth_url

    @property
    def host(self) -> str:
        return self.core.host

    @property
    def rest_url(self) -> str:
        return self.core.rest_url

    @property
    def member_id(self) -> str:
        return self.core.member_id

    def rename(self) -> str:
        """The portal gets another address: the old one answers 302, tokens and events name the new."""
        faults = HttpFaults()
        listener = Listener(self._doors.portal, faults)
        listener.open()
        self._moved.append(listener)
        self.core.faults.move_to(listener.url)
        self.core.url = listener.url
        return listener.url

    # what is switched

    @property
    def clock(self) -> Clock:
        return self.core.clock

    @property
    def faults(self) -> Faults:
        """Faults of the portal and of its event queue; `oauth_faults` are those of the OAuth server."""
        return self.core.faults

    @property
    def oauth_faults(self) -> HttpFaults:
        return self.core.oauth_faults

    @property
    def downloads(self) -> Downloads:
        """The contents of files: what goes wrong with the next downloads."""
        return self.core.downloads

    @property
    def limits(self) -> Limits:
        return self.core.limits

    @property
    def build(self) -> Build:
        """Which kind of portal this is: event shapes, refusals, supported methods."""
        return self.core.build

    # applications

    def install_app(
        self,
        handler_url: str,
        client_id: str = "",
        client_secret: str = "",
        scopes: Sequence[str] = DEFAULT_SCOPES,
        kind: Literal["api", "ui"] = "api",
        user_id: int = 1,
        send: bool = True,
    ) -> App:
        """Add a local application. Kind "api" gets ONAPPINSTALL at once (unless `send` is off);
        kind "ui" is opened in a browser (`app.open()`) and ends with `app.install_finish()`."""
        core = self.core
        with core.acting():
            app = App(
                core=core,
                client_id=client_id
                or f"local.{core.tokens.random_hex(14)}.{core.rng.randrange(10_000_000, 99_999_999)}",
                client_secret=client_secret or core.tokens.random_hex(50),
                application_token=core.tokens.random_hex(32),
                handler_url=handler_url,
                scopes=tuple(scopes),
                kind=kind,
                user_id=user_id,
                installed=kind == "api",
                number=5 + len(core.apps),
            )
            core.apps[app.client_id] = app
            if kind == "api":
                handler = core.bind(app.client_id, "ONAPPINSTALL", handler_url)
                if send:
                    core.events.app_installed(app)
                core.handlers.remove(handler)
            return app

    def update_app(self, app: App) -> None:
        """A new version: its handlers hear of it and are then gone."""
        with self.core.acting():
            app.version += 1
            self.core.events.app_updated(app, app.version - 1)
            self.core.unbind(app.client_id)

    def uninstall_app(self, app: App, clean: bool = False) -> None:
        core = self.core
        with core.acting():
            core.events.app_uninstalled(app, clean)
            core.unbind(app.client_id)
            core.tokens.forget(app.client_id)
            app.deleted, app.installed = True, False
            for bot in core.bots_of(app.client_id):
                core.remove_bot(bot.bot_id)
            for connector in [c for c in core.connectors.values() if c.owner == app.client_id]:
                del core.connectors[connector.connector_id]

    def issue_tokens(self, app: App, user_id: int | None = None) -> Tokens:
        return app.tokens(user_id)

    def authorization_code(self, app: App, user_id: int = 1) -> str:
        """What the browser brings back from /oauth/authorize/: good for 30 seconds, once."""
        with self.core.lock:
            return self.core.tokens.issue_code(app.client_id, user_id)

    def add_webhook(self, user_id: int = 1, scopes: Sequence[str] = DEFAULT_SCOPES) -> str:
        """An incoming webhook; returns its base URL."""
        with self.core.lock:
            secret = self.core.tokens.random_hex(16)
            self.core.webhooks.append(Webhook(user_id, secret, tuple(scopes)))
        return f"{self.rest_url}{user_id}/{secret}/"

    # people and lines

    def add_user(self, user_id: int, name: str, admin: bool = False, position: str = "", gender: str = "M") -> User:
        with self.core.lock:
            user = User(user_id, name, admin, position, gender)
            self.core.users[user_id] = user
            return user

    def add_line(self, name: str, line_id: int = 0, queue: Sequence[int] = (27,), active: bool = True) -> Line:
        with self.core.lock:
            line_id = line_id or max(self.core.lines, default=0) + 1
            line = Line(line_id, name, list(queue), active)
            self.core.lines[line_id] = line
            return line

    def line(self, line_id: int) -> Line:
        return self.core.lines[line_id]

    def delete_line(self, line_id: int, by_user: int = 1) -> None:
        with self.core.acting():
            del self.core.lines[line_id]
            self.core.events.line_deleted(line_id, by_user)

    def disconnect(self, connector_id: str, line_id: int, by_user: int = 1) -> None:
        """An administrator switches a connector off on a line."""
        with self.core.acting():
            self.core.connectors[connector_id].active_lines.discard(line_id)
            self.core.events.connector_disconnected(connector_id, line_id, by_user)

    def delete_bot(self, bot_id: int, by_user: int = 1) -> None:
        """An administrator removes the bot in the portal."""
        with self.core.acting():
            self.core.events.bot_deleted(self.core.bots[bot_id], by_user)
            self.core.remove_bot(bot_id)

    def client(
        self,
        name: str,
        connector: str = "telegrambot",
        line: int = 3,
        external_id: str = "",
        gender: str = "F",
        avatar: str = "",
    ) -> Client:
        """Somebody who writes through a connector; the same `external_id` is the same person."""
        with self.core.lock:
            user = self.core.connector_user(connector, external_id, name, gender)
            user.avatar = avatar or user.avatar
        return Client(self.core, user, line, external_id or f"ext{user.user_id}")

    def operator(self, user_id: int) -> Operator:
        return Operator(self.core, self.core.users[user_id])

    def file(self, name: str, content: bytes, width: int = 0, height: int = 0) -> Upload:
        return Upload(name, content, width, height)

    def rate(self, session_id: int, vote: int) -> None:
        """The client rates the conversation, open or closed."""
        with self.core.acting():
            session = self.core.sessions[session_id]
            session.vote = vote
            chat = self.core.chats[session.chat_id]
            if session.closed:  # the notice of the end shows it from now on; no event tells
                self.core.messages[session.end_id].params["IMOL_VOTE_USER"] = vote
            else:
                self.core.open_lines.say(chat, f"Клиент оценил диалог: {vote}", IMOL_VOTE=vote)

    def auto_close(self, chat_id: int) -> None:
        """Nobody says anything any more: the portal closes the session by itself."""
        with self.core.acting():
            self.core.open_lines.finish(self.core.chats[chat_id], "Диалог закрыт автоматически")

    def reopen(self, session_id: int) -> None:
        """A closed session goes on under the same id."""
        with self.core.acting():
            self.core.open_lines.reopen(self.core.sessions[session_id])

    # the truth

    def chat(self, chat_id: int) -> Chat:
        return self.core.chats[chat_id]

    @property
    def chats(self) -> list[Chat]:
        with self.core.lock:
            return list(self.core.chats.values())

    def sessions(self, chat_id: int) -> list[Session]:
        return list(self.core.chats[chat_id].sessions)

    def history(self, session_id: int) -> list[Message]:
        """Every message of a session, oldest first."""
        with self.core.lock:
            chat = self.core.chats[self.core.sessions[session_id].chat_id]
            return [message for message in chat.messages if message.session_id == session_id]

    def handed_over(self, chat_id: int) -> bool:
        """The operator of the latest session is not a bot (any more)."""
        return not self.core.chats[chat_id].session.bot_phase

    @property
    def handover_times(self) -> dict[int, float]:
        """Session id -> seconds between its start and the hand-over by the bot or its timer."""
        with self.core.lock:
            return {
                session.session_id: session.handed_over_at - session.started_at
                for session in self.core.sessions.values()
                if session.handed_over_at is not None
            }

    @property
    def calls(self) -> list[Call]:
        return self.core.journal.calls

    def calls_of(self, method: str) -> list[Call]:
        """Calls of one method, those inside batches included."""
        return [call for call in self.calls if call.method.lower() == method.lower()]

    @property
    def deliveries(self) -> list[Delivery]:
        return self.core.journal.deliveries

    def wait_quiet(self, timeout_s: float = 10.0) -> bool:
        """Wait until every event has been delivered (or lost); False when that took too long."""
        return self.core.queue.wait_quiet(timeout_s)

    # time

    def _run_timers(self) -> None:
        with self.core.acting():
            self.core.open_lines.run_timers()

    def _tick(self) -> None:
        while not self._stopping.wait(TICK_S):
            with self.core.lock:
                due = self.core.open_lines.timer_due
            if due:
                self._run_timers()
