"""Every verb that reads prints one JSON document with --json, and its fields are documented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from python_bot.cli.main import INSTANCE_VERBS, SERVER_VERBS
from python_bot.settings import VARIABLES
from python_bot.simulator import SimulatedPortal
from python_bot.simulator.avito import AvitoServer
from python_bot.simulator.telegram import TelegramServer
from tests.cli.tools import StagedServer, botctl, ok
from tests.support import ROOT, until

INSTANCE = "shop-1"
DOCUMENTS = ("docs/operations.md", "docs/operations.ru.md")
# What a person types to read something. FILE stands for a backup.
READING = {
    "avito list": "avito list",
    "avito status": "avito status",
    "completeness": "completeness",
    "config get": "config get",
    "doctor": "doctor",
    "info": "info",
    "lines list": "lines list",
    "outbox": "outbox",
    "restore": "restore FILE --check",
    "status": "status",
    "telegram list": "telegram list",
    "telegram status": "telegram status",
    "token list": "token list",
    "token show": "token show",
    "url": "url",
}
READING_SERVER = {"doctor", "list"}
# An object a line, or a format of its own: see the row of each in the README.
STREAMS = {"call", "export", "journal", "logs"}
# These change something, or run something.
ACTING = {
    "avito add", "avito change", "avito remove", "backup", "config set", "config unset", "create", "disable", "enable",
    "forget", "import", "lines attach", "lines detach", "off", "on", "purge", "rebuild", "restart", "rollback", "run",
    "sync", "telegram add", "telegram remove", "token add", "token revoke", "token rotate", "upgrade",
}  # fmt: skip
ACTING_SERVER = {"completion", "demo", "duckdns", "recover", "upgrade"}
MAY_FAIL = {"avito status", "completeness", "doctor", "telegram status"}  # exit code 1 says that something is wrong


def verbs(table: dict[str, click.Command]) -> Iterator[tuple[str, click.Command]]:
    for name, command in table.items():
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", found) for inner, found in command.commands.items())
        else:
            yield name, command


def test_it_is_known_of_every_verb_whether_it_reads_and_whoever_reads_has_json() -> None:
    of_instance, of_server = dict(verbs(INSTANCE_VERBS)), dict(verbs(SERVER_VERBS))
    assert set(of_instance) == set(READING) | STREAMS | ACTING
    assert set(of_server) == READING_SERVER | ACTING_SERVER
    reading = [of_instance[name] for name in READING] + [of_server[name] for name in READING_SERVER]
    for command in reading:
        assert any("--json" in option.opts for option in command.params), command.name


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running instance that has one of everything: a conversation, a bot, a shop, a further token, a backup."""
    root = tmp_path_factory.mktemp("json")
    portal, avito, telegram = SimulatedPortal(limits=False), AvitoServer(limits=False), TelegramServer(limits=False)
    with portal, avito, telegram:
        server = StagedServer(root, portal)
        server.env |= {"AVITO_API_URL": avito.url, "TELEGRAM_API_URL": telegram.url}
        with server:
            server.install()
            client = portal.client("Анна", connector="telegrambot", line=3, external_id="1")
            chat_id = client.writes("Здравствуйте").chat_id
            until(lambda: portal.handed_over(chat_id))
            client_id, secret = avito.add_shop().secrets
            ok(root, INSTANCE, "avito", "add", "--client-id", client_id, "--secret-file", "-", stdin=secret)
            ok(root, INSTANCE, "telegram", "add", "--line", "3", stdin=telegram.add_bot().token)
            ok(root, INSTANCE, "token", "add", "crm", "--read")
            ok(root, INSTANCE, "backup", str(root / "backup.tar.gz"))
            yield root


def documented(document: str) -> dict[str, set[str]]:
    """Verb -> the fields of what it prints, as the table of a document has them."""
    text = (ROOT / document).read_text(encoding="utf-8")
    rows = re.findall(r"^\| `botctl ([A-Za-z ]+?)(?: FILE --check)? --json` \| (.+) \|$", text, re.MULTILINE)
    return {verb: set(re.findall(r"`(\w+)`", fields)) for verb, fields in rows}


TYPED = [*(f"INSTANCE {name}" for name in READING), *sorted(READING_SERVER)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_table_has_a_row_for_every_verb_that_reads(document: str) -> None:
    assert set(documented(document)) == set(TYPED)


@pytest.mark.parametrize("typed", TYPED)
def test_it_is_one_document_with_the_documented_fields(root: Path, typed: str) -> None:
    name = typed.removeprefix("INSTANCE ")
    words = READING.get(name, name).replace("FILE", str(root / "backup.tar.gz")).split()
    done = botctl(root, *([INSTANCE, *words] if typed != name else words), "--json")
    assert done.returncode in ((0, 1) if name in MAY_FAIL else (0,)), done.stderr
    found: Any = json.loads(done.stdout)
    assert found, "there is one of everything"
    fields = {key for row in (found if isinstance(found, list) else [found]) for key in row}
    if name == "config get":
        assert fields <= set(VARIABLES)
        fields = set()  # documented in the README
    for document in DOCUMENTS:
        assert documented(document)[typed] == fields, document
