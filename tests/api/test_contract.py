"""The contract of the API and the running application are equal, in both directions."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest

from python_bot.app import flask_app
from python_bot.instance import Instance
from python_bot.settings import Settings
from tests.api.filling import ADMIN, BOT, NOWHERE, SCOPED, SHOP, add_bot, add_shop, subscribe, write_to_bot
from tests.instance.tools import raw
from tests.support import ROOT, Server
from tests.support import contract as of
from tests.support.contract import load, operations, resolve
from tests.support.reference import PAGE, page
from tests.support.server import Answer

BASE = load()
OPERATIONS = {f"{each.method} {each.path}": each for each in operations(BASE)}


# --- the file itself ------------------------------------------------------------------------------------------


def test_other_tools_can_read_it() -> None:
    validator = Path(sys.prefix, "api/bin/openapi-spec-validator")
    if not validator.exists():
        pytest.skip("./test.sh installs the validator, into .venv/api")
    done = subprocess.run([validator, of.PATH], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_version_is_that_of_the_release() -> None:
    from python_bot import __version__

    assert BASE["info"]["version"] == __version__


def test_the_page_for_people_is_made_from_it() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.support.reference"


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for part in node.values():
            yield from nodes(part)
    elif isinstance(node, list):
        for part in node:
            yield from nodes(part)


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    used = {node["$ref"] for node in nodes(BASE) if "$ref" in node}
    assert all(resolve(BASE, {"$ref": reference}) for reference in used)
    parts = ("parameters", "responses", "schemas", "headers")
    there = {f"#/components/{part}/{name}" for part in parts for name in BASE["components"][part]}
    assert there == {reference for reference in used if reference.startswith("#/components/")}


def test_every_field_and_every_parameter_says_what_it_means() -> None:
    silent = [
        f"{name}: {place}"
        for name, schema in BASE["components"]["schemas"].items()
        for place, field in of.fields(BASE, schema)
        if not field.get("description") or not {"type", "enum", "oneOf", "const"} & set(field)
    ]
    silent += [
        f"{name}: {each['name']}"
        for name, operation in OPERATIONS.items()
        for each in operation.parameters
        if not each.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize("schema", BASE["components"]["schemas"])
def test_examples_are_what_their_schema_says(schema: str) -> None:
    for _, field in of.fields(BASE, BASE["components"]["schemas"][schema]):
        if "example" in field:
            jsonschema.validate(field["example"], field, cls=jsonschema.Draft202012Validator)


# --- addresses ------------------------------------------------------------------------------------------------


NAMED = re.compile(r"<(?:[^:>]*:)?(\w+)>")


# The doors of the portal and of messengers, and pages for people.
FOR_OTHERS = ("/python_bot", "/ui", "/b24/", "/tg/", "/api/webhooks/", "/channel-files/")


def braced(found: re.Match[str]) -> str:
    return "{" + found[1] + "}"


@pytest.fixture(scope="module")
def routes() -> Iterator[set[str]]:
    with tempfile.TemporaryDirectory() as home:
        instance = Instance(Settings(Path(home), "t" * 16, "http://127.0.0.1:1/python_bot/"))
        rules = [rule for rule in flask_app(instance).url_map.iter_rules() if not rule.rule.startswith(FOR_OTHERS)]
        instance.close()
    yield {
        f"{method} {NAMED.sub(braced, rule.rule)}"
        for rule in rules
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_address_is_in_the_contract_and_every_address_of_the_contract_exists(routes: set[str]) -> None:
    assert routes == set(OPERATIONS)


def test_every_parameter_that_an_address_knows_is_in_the_contract(filled: tuple[Server, int]) -> None:
    """An unknown parameter is answered with the list of the known ones."""
    server, chat_id = filled
    subscribe(server)
    add_bot(server)
    add_shop(server)
    for name, operation in OPERATIONS.items():
        listed = {each["name"] for each in operation.parameters if each["in"] == "query"}
        if operation.method != "GET" or not operation.path.startswith("/api/") or "/admin/" in operation.path:
            assert not listed, name
            continue
        answer = server.get(address(operation.path, chat_id, server) + "?no_such=1", **ADMIN)
        assert (answer.status, answer.json["error"]["code"]) == (400, "unknown_parameter"), name
        known = answer.json["error"]["message"].partition("known: ")[2]
        assert set(filter(None, known.split(", "))) == listed, name


def address(path: str, chat_id: int, server: Server) -> str:
    messages = server.messages(chat_id)
    file_id = next(message["files"][0]["id"] for message in messages if message["files"])
    subscriptions = server.api("/api/subscriptions")["subscriptions"]
    subscription = subscriptions[0]["id"] if subscriptions else 0
    deliveries = server.api(f"/api/subscriptions/{subscription}/deliveries")["deliveries"] if subscriptions else []
    bots = server.api("/api/telegram/bots")["bots"]
    return path.format(
        chat_id=chat_id,
        account_id=bots[0]["id"] if bots else 0,
        shop_id=next((shop["id"] for shop in server.api("/api/avito/accounts")["accounts"]), 0),
        message_id=next(message["message_id"] for message in messages if message["edited_at"]),
        file_id=file_id,
        subscription_id=subscription,
        delivery_id=deliveries[0]["id"] if deliveries else 0,
    )


# --- errors ---------------------------------------------------------------------------------------------------

RAISED = re.compile(r'(?:ApiError|error_answer|answer)\(\s*(\d{3}),\s*"(\w+)"')


def codes_in_code() -> set[tuple[int, str]]:
    found = set()
    for file in (ROOT / "python_bot/web").rglob("*.py"):
        found |= {(int(status), code) for status, code in RAISED.findall(file.read_text(encoding="utf-8"))}
    scopes = re.findall(r'"(token_\w+_only)"', (ROOT / "python_bot/web/access.py").read_text(encoding="utf-8"))
    return found | {(403, code) for code in scopes}


def codes_in_contract() -> set[tuple[int, str]]:
    return {
        (int(status), code)
        for operation in OPERATIONS.values()
        for status in operation.spec["responses"]
        for code in of.codes(BASE, operation, int(status))
    }


def test_every_error_of_the_code_is_in_the_contract_and_every_error_of_the_contract_in_the_code() -> None:
    # The framework's own: an address that does not exist, a body beyond the limit.
    assert codes_in_contract() == codes_in_code() | {(404, "not_found"), (413, "request_entity_too_large")}


def test_every_error_of_the_contract_is_in_the_document_and_the_other_way_round() -> None:
    table = (ROOT / "docs/api.md").read_text(encoding="utf-8").split("## Errors", 1)[1]
    documented = set()
    for status, cells in re.findall(r"^\| (\d{3}) \| (`[\w`, ]+`) \|", table, re.MULTILINE):
        documented |= {(int(status), code) for code in re.findall(r"`(\w+)`", cells)}
    assert documented == codes_in_contract() | {(405, "method_not_allowed")}


# --- answers --------------------------------------------------------------------------------------------------


def judge(operation: of.Operation, answer: Answer) -> None:
    """The answer is one that the contract describes, with no field more, and its headers are there."""
    told = operation.spec["responses"].get(str(answer.status))
    assert told is not None, f"{operation.method} {operation.path}: {answer.status} {answer.text[:300]}"
    found = resolve(BASE, told)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    for name, header in found.get("headers", {}).items():
        assert name.lower() in headers or not resolve(BASE, header).get("required"), name
    kind = headers.get("content-type", "").partition(";")[0]
    if "content" not in found:
        assert not answer.body
        return
    assert kind in found["content"] or "*/*" in found["content"], kind
    if kind == "application/json":
        schema = of.closed(BASE, found["content"][kind]["schema"])
        jsonschema.validate(answer.json, schema, cls=jsonschema.Draft202012Validator)


# Where the plain address answers 400, or little.
QUERIES = {"/api/search": f"?q={quote('доставка')}", "/api/stats": "?since=2020-01-01&until=2100-01-01"}


def visit(server: Server, chat_id: int) -> dict[str, list[Answer]]:
    """Each operation once or more, with its answers."""
    said: dict[str, list[Answer]] = {name: [] for name in OPERATIONS}

    def call(name: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        operation = OPERATIONS[name]
        answer = server.request(operation.method, path, body, **{**ADMIN, **headers})
        judge(operation, answer)
        said[name].append(answer)
        return answer

    wanted = {"url": NOWHERE, "events": ["dialog.opened", "dialog.closed"], "line_id": 3}
    made = call("POST /api/subscriptions", "/api/subscriptions", json.dumps(wanted).encode()).json
    here = f"/api/subscriptions/{made['id']}"
    ping = call("POST /api/subscriptions/{subscription_id}/test", f"{here}/test", b"").json
    call("PATCH /api/subscriptions/{subscription_id}", here, b'{"active": false}')
    replay = "POST /api/subscriptions/{subscription_id}/deliveries/{delivery_id}/replay"
    call(replay, f"{here}/deliveries/{ping['id']}/replay", b"")
    bots = "/api/telegram/bots"
    bot = call(f"POST {bots}", bots, BOT).json
    call(f"PATCH {bots}/{{account_id}}", f"{bots}/{bot['id']}", b'{"signature": false}')
    add_bot(server)
    asked = write_to_bot(server)
    shop = add_shop(server)
    call("POST /api/avito/accounts", "/api/avito/accounts", SHOP)
    call("PATCH /api/avito/accounts/{shop_id}", f"/api/avito/accounts/{shop}", b'{"line_id": null}')
    for name, operation in OPERATIONS.items():
        if operation.method == "GET":
            path = address(operation.path, chat_id, server) + QUERIES.get(operation.path, "")
            tag = call(name, path).headers.get("ETag")
            if tag and path != "/api/admin/status":  # it changes with the time
                assert call(name, path, If_None_Match=tag).status == 304, path
    call("GET /api/dialogs/{chat_id}", f"/api/dialogs/{asked}")
    call("DELETE /api/subscriptions/{subscription_id}", here)
    call(f"DELETE {bots}/{{account_id}}", f"{bots}/{bot['id']}")
    call("DELETE /api/avito/accounts/{shop_id}", f"/api/avito/accounts/{shop}")
    for verb in ("disable", "enable"):
        call(f"POST /api/admin/{verb}", f"/api/admin/{verb}", b"")
    return said


# What an answer holds only in a state that this archive is not in; everything else is seen.
UNSEEN = {
    "GET /api/admin/status": {"files.waiting", "files.failed", "files.stored"},
}


def test_every_answer_is_in_the_contract_and_every_field_of_the_contract_is_answered(
    filled: tuple[Server, int],
) -> None:
    server, chat_id = filled
    said = visit(server, chat_id)
    # Last, because then the archive is empty.
    emptied = server.request("POST", "/api/admin/reinit_db", b"", **ADMIN)
    judge(OPERATIONS["POST /api/admin/reinit_db"], emptied)
    said["POST /api/admin/reinit_db"].append(emptied)
    for name, answers in said.items():
        seen: set[str] = set()
        for answer in answers:
            if answer.status < 300 and answer.headers.get("Content-Type", "").startswith("application/json"):
                seen |= set(of.places(answer.json))
        told = next(
            OPERATIONS[name].spec["responses"][status]
            for status in ("200", "201", "204")
            if status in OPERATIONS[name].spec["responses"]
        )
        content = resolve(BASE, told).get("content", {})
        documented = set()
        if "application/json" in content:
            documented = {place for place, _ in of.fields(BASE, content["application/json"]["schema"])}
        assert documented - seen == UNSEEN.get(name, set()), name
        assert answers, name


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_address_asks_for_the_token_that_the_contract_names(name: str, filled: tuple[Server, int]) -> None:
    server, _ = filled
    operation = OPERATIONS[name]
    path = re.sub(r"{\w+}", "999999999", operation.path)
    # As nginx forwards it: directly on this machine the monitoring is open.
    answer = server.request(operation.method, path, None, X_Real_Ip="203.0.113.9")
    judge(operation, answer)
    assert (answer.status == 401) == ("x-scope" in operation.spec)
    assert ("x-scope" in operation.spec) == (operation.spec.get("security") != [])
    for scope, opens in (("read", {"read"}), ("export", {"read", "export"})):
        answer = server.request(operation.method, path, None, X_Real_Ip="203.0.113.9", X_API_Token=SCOPED[scope])
        judge(operation, answer)
        assert (answer.status == 403) == (operation.spec.get("x-scope", "read") not in opens), answer.text


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_does_not_exist_is_an_answer_of_the_contract(name: str, filled: tuple[Server, int]) -> None:
    server, _ = filled
    operation = OPERATIONS[name]
    if "{" in operation.path:
        for number in ("999999999", "9" * 30, "x"):
            answer = server.request(operation.method, re.sub(r"{\w+}", number, operation.path), b"{}", **ADMIN)
            judge(operation, answer)
            assert answer.status == 404


def test_the_contract_is_served_to_anybody_as_it_is(filled: tuple[Server, int]) -> None:
    server, _ = filled
    answer = server.get("/api/openapi.yaml")
    assert (answer.status, answer.body) == (200, of.PATH.read_bytes())
    assert answer.headers["Content-Type"].startswith("application/yaml")
    assert server.get("/api/openapi.yaml", If_None_Match=answer.headers["ETag"]).status == 304
    assert server.get("/api/openapi.yaml?x=1").status == 400


def test_the_page_loads_nothing_from_anywhere(filled: tuple[Server, int]) -> None:
    server, _ = filled
    answer = server.get("/api/")
    assert answer.status == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert not re.search(r"<script|<link|<img|<iframe|\bsrc=|@import|url\(|\son\w+=", answer.text)
    assert {target for target in re.findall(r'href="([^"]*)"', answer.text) if target[0] != "#"} == {"openapi.yaml"}
    inner = set(re.findall(r'href="#([^"]*)"', answer.text))
    assert inner <= set(re.findall(r'id="([^"]*)"', answer.text))


def test_the_page_is_found_without_its_last_slash_behind_any_prefix(filled: tuple[Server, int]) -> None:
    server, _ = filled
    status, headers, _ = raw(server, b"GET /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (status, headers["location"]) == (308, "api/")
