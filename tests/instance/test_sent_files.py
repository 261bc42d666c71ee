"""What Telegram takes from no bot: a client opens our link, and has the file without the portal or a token."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from python_bot.relay.links import SENT_GOOD_FOR_S, FileLinks, SentLink
from python_bot.simulator.model import Message
from tests.instance.test_telegram import ADMIN, World, open_dialog, world_of
from tests.instance.tools import wait_idle
from tests.support import Server, until

SIZE = 51 * 1024 * 1024
BLOCK = os.urandom(1024 * 1024)
CONTENT = BLOCK * 51
NAME = "Обзор «дачи».mp4"


@dataclass
class Scene:
    """A film of 51 MiB, which an operator sent; `path`: where its archived content lies."""

    world: World
    answer: Message
    link: str
    path: Path

    @property
    def address(self) -> str:
        """Of the link, on the instance."""
        return self.link.removeprefix(self.world.server.url)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with world_of(B24BOT_FILES="download", B24BOT_DISK_RESERVE_MB="0") as world:
        made = world.ask("POST", body={"token": world.bot.token, "line_id": 3})
        assert made.status == 201, made.text
        wait_idle(world.server)
        olga, chat_id = open_dialog(world, "Olga")
        file = world.portal.file(NAME, CONTENT)
        answer = world.portal.operator(27).writes(chat_id, "Вот обзор", files=[file])
        until(lambda: answer.delivered_as, what="it is delivered")
        words, line = (message.content for message in olga.shown[-2:])
        assert words["text"].endswith("Вот обзор")
        assert line["text"] == f"{NAME} (51 МБ)"
        (entity,) = line["entities"]
        digest = hashlib.sha256(CONTENT).hexdigest()
        path = world.server.home / "files" / digest[:2] / digest
        until(path.is_file, what="the archive has it too")
        wait_idle(world.server)
        yield Scene(world, answer, entity["url"], path)


def worker_of(server: Server) -> int:
    assert server.process is not None
    (child,) = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return int(child)


@contextlib.contextmanager
def constant_memory(server: Server) -> Iterator[None]:
    """What is done inside may not add a quarter of the file to what the process ever took."""

    def peak() -> int:
        status = Path(f"/proc/{worker_of(server)}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024

    Path(f"/proc/{worker_of(server)}/clear_refs").write_text("5")  # the peak begins anew
    before = peak()
    yield
    assert peak() - before < SIZE // 4


def read(url: str) -> tuple[str, dict[str, str]]:
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=60) as answer:
        while block := answer.read(1024 * 1024):
            digest.update(block)
        return digest.hexdigest(), dict(answer.headers.items())


def test_a_client_has_the_archived_content_and_nothing_of_the_portal(scene: Scene) -> None:
    portal, server = scene.world.portal, scene.world.server
    assert scene.link.startswith(f"{server.url}/channel-files/")
    asked, served = len(portal.calls), portal.core.downloads.served
    with constant_memory(server):
        digest, headers = read(scene.link)
    assert digest == hashlib.sha256(CONTENT).hexdigest()
    assert headers["Content-Length"] == str(SIZE)
    assert headers["Content-Disposition"].startswith("attachment;") and "%C2%AB" in headers["Content-Disposition"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Cache-Control"] == "private, no-store"
    assert (len(portal.calls), portal.core.downloads.served) == (asked, served)


def test_a_download_that_broke_goes_on_where_it_was(scene: Scene) -> None:
    found = scene.world.server.get(scene.address, Range=f"bytes={SIZE - 5}-")
    assert (found.status, found.body, found.headers["Content-Range"]) == (
        206,
        CONTENT[-5:],
        f"bytes {SIZE - 5}-{SIZE - 1}/{SIZE}",
    )
    beyond = scene.world.server.get(scene.address, Range=f"bytes={SIZE}-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{SIZE}")


def test_what_is_not_archived_is_streamed_from_the_portal(scene: Scene) -> None:
    portal, server, aside = scene.world.portal, scene.world.server, scene.path.with_name("aside")
    scene.path.rename(aside)
    try:
        with constant_memory(server):
            digest, headers = read(scene.link)
        assert digest == hashlib.sha256(CONTENT).hexdigest()
        assert headers["Content-Length"] == str(SIZE) and headers["Content-Disposition"].startswith("attachment;")
        told = str(headers)
        assert portal.url not in told and not any(token in told for token in portal.core.downloads.tokens)
        assert server.request("HEAD", scene.address).body == b""
        # The link of the connector is dead: the file has other ways, which take our own token.
        portal.core.downloads.status(404)
        assert read(scene.link)[0] == digest
        portal.core.downloads.status(404, 9)
        assert server.get(scene.address).status == 404
        portal.core.downloads.clear()
        portal.core.downloads.status(503)
        busy = server.get(scene.address)
        assert (busy.status, busy.headers["Retry-After"]) == (503, "20")
    finally:
        portal.core.downloads.clear()
        aside.rename(scene.path)


def test_only_what_we_signed_and_only_for_a_week(scene: Scene) -> None:
    server, now = scene.world.server, time.time()
    message_id = scene.answer.message_id
    links, sent = FileLinks(server.home, f"{server.url}/"), SentLink(1, message_id, 0)

    def status(address: str) -> int:
        return server.get(address.removeprefix(server.url), Range="bytes=0-0").status

    assert status(links.issue_sent(sent, now - SENT_GOOD_FOR_S + 60)) == 206
    assert status(links.issue_sent(sent, now - SENT_GOOD_FOR_S - 1)) == 404
    assert status(links.issue_sent(SentLink(1, message_id, 1), now)) == 404
    assert status(links.issue_sent(SentLink(2, message_id, 0), now)) == 404
    assert status(links.issue_sent(SentLink(1, message_id + 1, 0), now)) == 404
    assert status(f"{scene.link[:-1]}{'A' if scene.link[-1] != 'A' else 'B'}") == 404
    # Who reads the log or the journal cannot open it.
    signature = scene.link.rpartition(".")[2]
    assert signature not in (server.home / "bot.log").read_text(encoding="utf-8")
    until(lambda: server.sql("SELECT 1 FROM http_journal WHERE path LIKE '/channel-files/%'"), what="it is journaled")
    assert server.sql("SELECT COUNT(*) FROM http_journal WHERE path LIKE ?", f"%{signature}%") == [(0,)]


def test_clients_that_download_leave_threads_for_events(scene: Scene) -> None:
    server = scene.world.server
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            answer = stack.enter_context(urllib.request.urlopen(scene.link, timeout=60))
            assert answer.read(1)
        busy = server.get(scene.address)
        assert (busy.status, busy.headers["Retry-After"]) == (503, "20")
        assert server.get("/healthz").status == 200
    until(lambda: server.get(scene.address, Range="bytes=0-0").status == 206, what="there is a place again")


def test_what_was_taken_back_opens_nothing(scene: Scene) -> None:
    assert scene.world.server.get(scene.address, Range="bytes=0-0").status == 206
    scene.world.portal.operator(27).deletes(scene.answer)
    until(lambda: scene.world.server.get(scene.address, Range="bytes=0-0").status == 404, what="it is gone")
    assert scene.world.server.get("/api/telegram/bots", **ADMIN).status == 200
