"""What the documents promise exists, and what exists is documented, in both languages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import click
import pytest

from python_bot.cli.main import INSTANCE_VERBS, SERVER_VERBS
from python_bot.settings import VARIABLES
from python_bot.simulator import SimulatedPortal
from tests.support import ROOT, TOKEN, Server, until

READMES = ("README.md", "README.ru.md")
API = (ROOT / "docs/api.md").read_text(encoding="utf-8")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READMES)
def test_every_setting_is_documented_and_every_documented_setting_exists(name: str) -> None:
    rows = re.findall(r"^\| (`[A-Z0-9_`, ]+`) \|", read(name), re.MULTILINE)
    documented = {variable for row in rows for variable in re.findall(r"`([A-Z0-9_]+)`", row)}
    assert documented == set(VARIABLES)


@pytest.mark.parametrize("name", READMES)
def test_every_command_is_documented_and_every_documented_command_exists(name: str) -> None:
    documented = set(re.findall(r"`botctl (INSTANCE [a-z]+|[a-z]+)`", read(name)))
    assert documented == {*SERVER_VERBS, *(f"INSTANCE {verb}" for verb in INSTANCE_VERBS)}


COMMANDS = {**SERVER_VERBS, **{f"INSTANCE {verb}": command for verb, command in INSTANCE_VERBS.items()}}


def words_of(command: click.Command) -> set[str]:
    """The long options and the inner verbs of a command."""
    found: set[str] = set()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            found |= {name for name in (*parameter.opts, *parameter.secondary_opts) if name.startswith("--")}
    for name, inner in getattr(command, "commands", {}).items():
        found |= {name} | words_of(inner)
    return found


@pytest.mark.parametrize("name", READMES)
@pytest.mark.parametrize("verb", COMMANDS)
def test_every_option_is_documented_in_the_row_of_its_command_and_exists(name: str, verb: str) -> None:
    row = next(line for line in read(name).splitlines() if line.startswith(f"| `botctl {verb}` |"))
    options = words_of(COMMANDS[verb])
    assert set(re.findall(r"`(?:list )?(--[a-z-]+)", row)) == {word for word in options if word.startswith("--")}
    for inner in options:
        assert f"`{inner}" in row, f"{inner} of {verb} is not in its row"


def examples(command: click.Command) -> bool:
    inner = getattr(command, "commands", {}).values()
    return "Example" in (command.help or "") and all(examples(each) for each in inner)


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_shows_examples(verb: str) -> None:
    assert examples(COMMANDS[verb])


def test_both_readmes_are_equally_complete() -> None:
    english, russian = read("README.md"), read("README.ru.md")

    def shape(text: str) -> tuple[int, int, int, int]:
        rows = len(re.findall(r"^\|", text, re.MULTILINE))
        return text.count("\n## "), text.count("```sh"), rows, len(re.findall(r"^\d\. ", text, re.MULTILINE))

    assert shape(english) == shape(russian)


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")]:
        for target in re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if target and "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def anchors(document: Path) -> set[str]:
    """What a link may name behind '#': the headings as GitHub spells them there."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_into_a_document_leads_to_a_heading_of_it() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", document.read_text(encoding="utf-8")):
            assert anchor in anchors(document.parent / target if target else document), (
                f"{document.name}: {target}#{anchor}"
            )


def test_every_figure_of_the_benchmark_is_documented_with_its_bound() -> None:
    from bench.figures import FIGURES

    documented = re.findall(r"^\| `([a-z_]+)`", read("bench/README.md"), re.MULTILINE)
    assert documented == list(FIGURES)


def test_no_document_names_a_file_that_is_not_there() -> None:
    for document in ("docs/architecture.md", "docs/security.md", "docs/security.ru.md"):
        for path in re.findall(r"`((?:tests|bench|docs|python_bot)/[\w./]+)`", read(document)):
            assert (ROOT / path).exists(), f"{document}: {path}"


# --- the API, compared with a running instance ---------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with SimulatedPortal() as portal, Server(portal) as running:
        running.install()
        client = portal.client("Анна", connector="telegrambot", line=3, external_id="1")
        chat_id = client.writes("Чек", files=[portal.file("чек.jpg", b"\xff\xd8\xff")]).chat_id
        until(lambda: portal.handed_over(chat_id))
        portal.operator(27).answers(chat_id)
        portal.wait_quiet()
        until(lambda: len(running.messages(chat_id)) >= 3)
        yield running


def fields_of(heading: str, table: str = "Field") -> set[str]:
    """The names in the first column of a table under a heading of docs/api.md."""
    section = API.split(f"## {heading}", 1)[1].split("\n## ", 1)[0]
    body = section.split(f"| {table} |", 1)[1].split("\n\n", 1)[0]
    first_cells = [line.split("|")[1] for line in body.splitlines() if line.startswith("| `")]
    return {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}


def keys(rows: list[dict[str, Any]]) -> set[str]:
    assert rows
    return {key for row in rows for key in row}


def test_every_field_of_a_dialog_is_documented(server: Server) -> None:
    assert keys(server.api("/api/dialogs")["dialogs"]) == fields_of("GET /api/dialogs\n")


def test_every_field_of_one_dialog_is_documented(server: Server) -> None:
    chat_id = server.api("/api/dialogs")["dialogs"][0]["chat_id"]
    found, heading = server.api(f"/api/dialogs/{chat_id}"), "GET /api/dialogs/CHAT_ID"
    assert set(found) == {"dialog", "sessions", "participants", "crm", "messages", "next_cursor"}
    assert keys(found["sessions"]) == fields_of(heading, "Field of a session")
    events = [event for session in found["sessions"] for event in session["events"]]
    assert keys(events) == fields_of(heading, "Field of an event")
    assert keys(found["participants"]) == fields_of(heading, "Field of a participant")
    assert keys(found["messages"]) == fields_of(heading, "Field of a message")
    files = [file for message in found["messages"] for file in message["files"]]
    assert keys(files) == {"id", "name", "size", "type", "url", "state", "problem"}


def test_every_field_of_a_day_of_the_completeness_is_documented(server: Server) -> None:
    found = server.api("/api/completeness")
    assert keys(found["days"]) == fields_of("GET /api/completeness", "Field of a day")
    beyond = {"sessions", "session_numbers_unprobed", "gaps"}
    assert set(found["totals"]) - beyond == keys(found["days"]) - {"chat_id", "day", "missing_ids", "source"}
    assert all(f"`{name}`" in API for name in beyond)


def test_every_field_of_a_former_text_is_documented(server: Server) -> None:
    chat_id = server.api("/api/dialogs")["dialogs"][0]["chat_id"]
    message_id = server.messages(chat_id)[0]["message_id"]
    heading = "GET /api/dialogs/CHAT_ID/messages/MESSAGE_ID/versions"
    assert server.api(f"/api/dialogs/{chat_id}/messages/{message_id}/versions") == {"versions": []}
    assert fields_of(heading) == {"version", "text", "text_plain", "replaced_at"}


def test_every_kind_of_session_event_is_documented() -> None:
    from typing import get_args

    from python_bot.archive.timeline import EventKind

    (row,) = [line for line in API.splitlines() if line.startswith("| `kind` | `opened`")]
    assert set(re.findall(r"`(\w+)`", row)) - {"kind"} == set(get_args(EventKind))


def test_every_field_of_a_user_is_documented(server: Server) -> None:
    assert keys(server.api("/api/users")["users"]) == fields_of("GET /api/users")


def test_every_field_of_a_subscription_and_a_delivery_is_documented(server: Server) -> None:
    body = json.dumps({"url": "https://receiver.invalid/", "events": ["dialog.opened"]}).encode()
    made = server.request("POST", "/api/subscriptions", body, Authorization=f"Bearer {TOKEN}").json
    assert set(made) - {"secret"} == fields_of("Outgoing webhooks", "Field of a subscription")
    path = f"/api/subscriptions/{made['id']}"
    server.request("POST", f"{path}/test", b"", Authorization=f"Bearer {TOKEN}")
    rows = server.api(f"{path}/deliveries")["deliveries"]
    assert keys(rows) == fields_of("Outgoing webhooks", "Field of a delivery")
    server.request("DELETE", path, Authorization=f"Bearer {TOKEN}")


def test_every_field_of_the_status_is_documented(server: Server) -> None:
    assert set(server.api("/api/admin/status")) == fields_of("Administration", "Field of the status")


def test_every_address_is_documented_and_every_documented_address_exists() -> None:
    import tempfile

    from python_bot.app import flask_app
    from python_bot.instance import Instance
    from python_bot.settings import Settings
    from python_bot.ui import ui_app

    with tempfile.TemporaryDirectory() as home:
        instance = Instance(Settings(Path(home), "t" * 16, "http://127.0.0.1:1/python_bot/"))
        apps = (flask_app(instance), ui_app(instance, Mock(), Mock(), Mock()))
        routes = {rule.rule for app in apps for rule in app.url_map.iter_rules()}
        instance.close()
    names = {"<int:chat_id>": "CHAT_ID", "<int:file_id>": "FILE_ID", "<int(signed=True):message_id>": "MESSAGE_ID"}
    names |= {
        "<channel>": "CHANNEL",
        "<int:account_id>": "ACCOUNT_ID",
        "<int:shop_id>": "SHOP_ID",
        "<secret>": "SECRET",
        "<token>": "TOKEN",
        "<name>": "NAME",
        "<act>": "ACT",
        "<int:visit_id>": "VISIT_ID",
        "<int:subscription_id>": "SUBSCRIPTION_ID",
        "<int:delivery_id>": "DELIVERY_ID",
    }
    for converter, name in names.items():
        routes = {route.replace(converter, name) for route in routes}
    routes = {route for route in routes if not route.startswith(("/python_bot/<", "/ui/<"))}
    documented = set(re.findall(r"`?(?:GET|POST) (/[\w/-]+(?:\.yaml)?)", API)) | {"/python_bot/", "/python_bot"}
    pages = set(re.findall(r"`(?:GET|POST) (/ui/[\w/.]*)", read("docs/ui.md"))) | {"/ui"}
    assert routes == documented | pages
