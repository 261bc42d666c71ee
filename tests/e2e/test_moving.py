"""A backup of a running instance becomes the same instance on another machine; a damaged one changes nothing there.
And what a person changes in an instance while requests come in."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from .acting import DOMAIN, TOKEN, Portal, create, get, has_archived, play, status, until
from .debian import Machine, difference
from .test_daily import Load
from .test_upgrades import refused

HANDLER = f"http://{DOMAIN}/acme/python_bot/"
FILE = "/root/acme.tar.gz"


def messages(machine: Machine, path: str = "/acme", host: str = DOMAIN) -> dict[int, list[str]]:
    code, body = get(machine, f"{path}/api/dialogs?limit=500", host)
    assert code == 200
    chats = [row["chat_id"] for row in json.loads(body)["dialogs"]]
    found = {chat: json.loads(get(machine, f"{path}/api/dialogs/{chat}?limit=500", host)[1]) for chat in chats}
    return {chat: [row["text"] for row in dialog["messages"]] for chat, dialog in found.items()}


def damaged_copies(good: Path) -> dict[str, bytes]:
    content = good.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 0x10]) + content[middle + 1 :]
    return {"flipped": flipped, "truncated": content[: middle * 3 // 2], "foreign": with_member(good, "../../evil")}


def with_member(good: Path, name: str) -> bytes:
    """The backup with one more file, which would lie elsewhere if names were trusted."""
    out = io.BytesIO()
    with tarfile.open(good) as source, tarfile.open(fileobj=out, mode="w:gz") as target:
        for number, member in enumerate(source):
            target.addfile(member, source.extractfile(member))
            if number == 0:
                evil = tarfile.TarInfo(name)
                evil.size = 5
                target.addfile(evil, io.BytesIO(b"evil\n"))
    return out.getvalue()


def test_an_instance_moves_to_another_machine_as_it_is(boot: Callable[..., Machine]) -> None:
    first = boot("bookworm")
    create(first, "acme", "--portal", "http://127.0.0.1:9000")
    portal = Portal(first)
    play(first, portal, "acme", HANDLER)
    reader = first("botctl", "acme", "token", "add", "reports").out.strip()
    sent = Load(first)
    said = []
    for number in range(5):
        said.append(portal("client", name=f"Клиент {number}", text=f"до копии {number}")["chat_id"])
        until(lambda n=number: has_archived(first, "acme", said[-1], f"до копии {n}"), what="the message")  # type: ignore[misc]  # no type is inferred for a lambda's default
    first("botctl", "acme", "backup", FILE)
    sent.check()
    before = messages(first)
    assert len(before) == 6
    settings = first("botctl", "acme", "config", "get", "--reveal").out
    shutil.copy(first.path(FILE), first.directory / "backup")
    good = first.directory / "backup"

    second = boot("trixie")
    clean = second.state()
    for name, content in damaged_copies(good).items():
        second.path(f"/root/{name}.tar.gz").write_bytes(content)
        ran = second("botctl", "acme", "restore", f"/root/{name}.tar.gz", check=False)
        assert ran.code == 1 and "Error: " in ran.err and "Traceback" not in ran.text, (name, ran.text)
        assert difference(clean, second.state()) == {}, name
    shutil.copy(good, second.path(FILE))
    assert second("botctl", "acme", "restore", FILE).out.count(HANDLER) == 1
    assert messages(second) == before
    assert second("botctl", "acme", "config", "get", "--reveal").out == settings
    assert get(second, "/acme/api/dialogs", token=reader)[0] == 200
    assert status(second, "acme")["status"]["installed"] is True

    # A damaged file has no power over an instance that is there, and a new domain comes with --domain.
    second.path("/root/flipped.tar.gz").write_bytes(damaged_copies(good)["flipped"])
    assert second("botctl", "acme", "restore", "/root/flipped.tar.gz", "--replace", check=False).code == 1
    assert messages(second) == before
    sent = Load(second)
    second("botctl", "acme", "restore", FILE, "--replace")
    sent.check()
    assert messages(second) == before
    second("botctl", "acme", "purge", "--yes")
    out = second("botctl", "acme", "restore", FILE, "--domain", "other.example.ru").out
    assert "http://other.example.ru/acme/python_bot/" in out
    assert messages(second, host="other.example.ru") == before
    assert get(second, "/acme/python_bot/", DOMAIN)[0] == 404
    second("botctl", "acme", "purge", "--yes")
    assert difference(clean, second.state()) == {}


def test_what_a_person_changes_counts_at_once_and_no_request_is_lost(machine: Machine) -> None:
    create(machine, "acme", "--portal", "http://127.0.0.1:9000", "--lines", "none")
    portal = Portal(machine)
    portal.install(HANDLER)
    until(lambda: ((status(machine, "acme")["status"] or {}).get("portal") or {}).get("bot_id"), what="registration")
    sent = Load(machine)

    assert "attached" in machine("botctl", "acme", "lines", "attach", "3", timeout=60).out
    chat_id = portal("client", name="Клиент", text="Есть кто?")["chat_id"]
    until(lambda: portal("handed_over", chat_id=chat_id)["is"], what="the hand-over")
    until(lambda: has_archived(machine, "acme", chat_id, "Есть кто?"), what="the message in the archive")
    listed = json.loads(machine("botctl", "acme", "lines", "list", "--json").out)
    assert listed["lines"]["3"]["state"] == "attached"

    reader = machine("botctl", "acme", "token", "add", "reports").out.strip()
    assert get(machine, "/acme/api/dialogs", token=reader)[0] == 200
    assert get(machine, "/acme/api/admin/status", token=reader)[0] == 403
    machine("botctl", "acme", "token", "revoke", "reports")
    assert get(machine, "/acme/api/dialogs", token=reader)[0] == 401

    machine("botctl", "acme", "config", "set", "B24BOT_BOT_NAME=Архив", "--restart")
    pid = machine("systemctl", "show", "--property=MainPID", "--value", "gunicorn-b24bot-acme.service").out.strip()
    assert "B24BOT_BOT_NAME=Архив" in machine("cat", f"/proc/{pid}/environ").out.split("\0")
    refused(
        machine("botctl", "acme", "config", "set", "B24BOT_HANDOVER=nobody", "--restart", check=False),
        "B24BOT_HANDOVER",
    )
    assert "other bot" not in machine("botctl", "acme", "lines", "detach", "3").out
    sent.check()

    machine("botctl", "acme", "token", "rotate")
    fresh = machine("botctl", "acme", "token", "show").out.strip()
    assert fresh != TOKEN
    assert get(machine, "/acme/api/dialogs", token=TOKEN)[0] == 401
    assert get(machine, "/acme/api/dialogs", token=fresh)[0] == 200
