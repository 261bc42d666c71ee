"""Signed addresses of files: what they say, how long, and what is none of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from python_bot.channels.base import IncomingFile
from python_bot.relay.links import GOOD_FOR_S, KEY_FILE, SENT_GOOD_FOR_S, FileLinks, Link, SentLink

NOW = 1_790_000_000
SENT = SentLink(1, 900_001, 2)
CLIENTS = IncomingFile("AgACAgIAAx0", "чек.pdf", "application/pdf", 5)


@pytest.fixture
def links(tmp_path: Path) -> FileLinks:
    return FileLinks(tmp_path, "https://bots.acme.ru/acme/")


def token_of(address: str) -> str:
    assert address.startswith("https://bots.acme.ru/acme/channel-files/")
    return address.rpartition("/")[2]


def test_both_kinds_are_read_back_until_their_end(links: FileLinks) -> None:
    sent, clients = token_of(links.issue_sent(SENT, NOW)), token_of(links.issue(1, CLIENTS, NOW))
    assert (links.read(sent, NOW), links.read(clients, NOW)) == (SENT, Link(1, CLIENTS))
    assert links.read(sent, NOW + SENT_GOOD_FOR_S - 1) == SENT
    assert links.read(sent, NOW + SENT_GOOD_FOR_S) is None
    assert links.read(clients, NOW + GOOD_FOR_S) is None
    assert (GOOD_FOR_S, SENT_GOOD_FOR_S) == (86_400, 604_800)  # as docs/telegram.md says


def test_the_same_message_has_the_same_address_at_every_try(links: FileLinks) -> None:
    assert links.issue_sent(SENT, NOW + 0.25) == links.issue_sent(SENT, NOW + 0.75)


def test_whatever_is_changed_in_an_address_makes_it_nobodys(links: FileLinks, tmp_path: Path) -> None:
    token = token_of(links.issue_sent(SENT, NOW))
    payload, _, signature = token.partition(".")
    other = token_of(links.issue_sent(SentLink(1, 900_001, 3), NOW)).partition(".")[0]
    forged = [payload, f"{payload}.", f"{other}.{signature}", f"{payload}.{signature[:-1]}", f"{payload}x.{signature}"]
    forged += ["", ".", "..", f"ключ.{signature}", f"{token}.{signature}"]
    forged += [
        f"{token[:place]}{'A' if token[place] != 'A' else 'B'}{token[place + 1 :]}" for place in range(len(token))
    ]
    assert [each for each in forged if links.read(each, NOW) is not None] == []
    (tmp_path / KEY_FILE).unlink()
    assert FileLinks(tmp_path, "https://bots.acme.ru/acme/").read(token, NOW) is None
