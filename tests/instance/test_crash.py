"""SIGKILL in the middle of the work: what was answered 200 is in the archive, and every session is handed over."""

from __future__ import annotations

import http.client
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator

from tests.instance.tools import at_work, client_message, handover_calls, integrity, join, wait_idle
from tests.support import Server

IS_LONG = bool(os.environ.get("CI") or os.environ.get("B24BOT_LONG_TESTS"))
SECONDS, KILLS = (60, 10) if IS_LONG else (15, 4)
WRITERS = 8
MESSAGES_A_SESSION = 40
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Writer(threading.Thread):
    """A client of the door: sends sessions of some messages each, and remembers what was answered 200."""

    def __init__(self, server: Server, number: int, is_over: Callable[[], bool], numbers: Iterator[int]) -> None:
        """`numbers`: of sessions, as the portal gives them: to everybody in turn, without holes to be searched."""
        super().__init__()
        self._server, self._number, self._is_over, self._numbers = server, number, is_over, numbers
        self.answered: dict[int, str] = {}  # message id -> text
        self.sessions: set[int] = set()  # chats of which at least one event was answered 200
        self.sent = 0
        self.others: list[int] = []  # every status that is neither 200 nor 503

    def run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        for count in itertools.count():
            if self._is_over():
                break
            is_join = count % MESSAGES_A_SESSION == 0
            if is_join:
                session_id = next(self._numbers)
            chat_id = 10_000_000 + session_id
            message_id = (self._number * 1_000_000 + count) + 100_000_000
            text = f"Сообщение {count} клиента {self._number} 👍"
            now = str(int(time.time()))
            body = join(chat_id, ts=now) if is_join else client_message(message_id, chat_id, session_id, text, ts=now)
            self.sent += 1
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=20)
                connection.request("POST", "/python_bot/", body, FORM)
                with connection.getresponse() as answer:
                    answer.read()
            except (OSError, http.client.HTTPException):
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.02)  # the portal does not wait either: this event is gone
                continue
            if answer.status == 200:
                self.sessions.add(chat_id)
                if not is_join:
                    self.answered[message_id] = text
            elif answer.status != 503:
                self.others.append(answer.status)
            time.sleep(0.005)
        if connection is not None:
            connection.close()


def test_nothing_answered_200_is_lost_when_the_instance_is_killed_again_and_again() -> None:
    with at_work() as (portal, server):
        ends = time.monotonic() + SECONDS
        numbers = itertools.count(1000)
        writers = [Writer(server, number, lambda: time.monotonic() > ends, numbers) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        for kill in range(1, KILLS + 1):
            time.sleep(max(0.0, ends - SECONDS + SECONDS * kill / (KILLS + 1) - time.monotonic()))
            server.kill()
            server.start()
        for writer in writers:
            writer.join()

        answered = {message_id: text for writer in writers for message_id, text in writer.answered.items()}
        sessions = {chat_id for writer in writers for chat_id in writer.sessions}
        sent = sum(writer.sent for writer in writers)
        assert [status for writer in writers for status in writer.others] == []
        assert len(answered) > 50 * SECONDS

        archived = dict(server.sql("SELECT message_id, text FROM messages"))
        lost = {message_id for message_id, text in answered.items() if archived.get(message_id) != text}
        assert lost == set(), f"{len(lost)} of {len(answered)} lost"
        assert len(archived) <= sent

        wait_idle(server, 120)
        called = {int(call["CHAT_ID"]) for call in handover_calls(portal)}
        assert sessions - called == set()
        assert server.sql("SELECT chat_id FROM sessions WHERE handover <> 'done'") == []
        # A kill between the call and its record repeats the call; nothing else may.
        assert len(handover_calls(portal)) - len(called) <= KILLS * 50
        assert server.sql("SELECT COUNT(*), COUNT(DISTINCT chat_id) FROM sessions") == [(len(called), len(called))]
        counted = server.sql(
            "SELECT d.chat_id FROM dialogs d WHERE message_count <>"
            " (SELECT COUNT(*) FROM messages m WHERE m.chat_id = d.chat_id)"
        )
        assert counted == []
        server.stop()
        assert integrity(server) == "ok"
