"""A conversation as one page for reading and printing: nothing in it runs, nothing is loaded from elsewhere. Pure."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import date, timezone
from html import escape
from typing import Any, Final

from .times import day, local, written
from .wish import Language

STYLE: Final = """
body{font:16px/1.45 system-ui,sans-serif;max-width:52rem;margin:1.5rem auto;padding:0 1rem}
body{color:#1c1e21;background:#fff}
h1{font-size:1.4rem;margin:0 0 .3rem}h2{font-size:.9rem;text-align:center;color:#5c6470;margin:1.6rem 0 .6rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;color:#454c57;font-size:.9rem}dd{margin:0}
article{margin:.5rem 0;padding:.5rem .8rem;border-radius:.6rem;background:#f1f3f5;max-width:42rem}
article.operator{background:#e3f2fd;margin-left:auto}article.bot,article.system{background:none;color:#5c6470;font-size:.9rem}
article.deleted p{text-decoration:line-through;color:#777}
header b{margin-right:.5rem}header,footer{font-size:.8rem;color:#5c6470}header b{color:#1c1e21}
p{margin:.15rem 0;white-space:pre-wrap;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.25rem .6rem .25rem 0;border-bottom:1px solid #dde1e6;vertical-align:top}
@media print{body{max-width:none;margin:0}article{break-inside:avoid;border:1px solid #ccc}a{color:inherit}}
"""
_HASH: Final = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"

WORDS: Final[dict[Language, dict[str, str]]] = {
    "ru": {
        "client": "клиент", "operator": "оператор", "bot": "бот", "system": "система", "chat": "Чат",
        "line": "Открытая линия", "connector": "Канал", "opened": "Начат", "sessions": "Сессии", "edited": "изменено",
        "deleted": "удалено", "files": "Файлы", "dialogs": "Диалоги", "title": "Название",
        "last": "Последнее сообщение", "messages": "Сообщений", "bytes": "байт",
    },
    "en": {
        "client": "client", "operator": "operator", "bot": "bot", "system": "system", "chat": "Chat",
        "line": "Open line", "connector": "Channel", "opened": "Opened", "sessions": "Sessions", "edited": "edited",
        "deleted": "deleted", "files": "Files", "dialogs": "Dialogs", "title": "Title", "last": "Last message",
        "messages": "Messages", "bytes": "bytes",
    },
}  # fmt: skip


def conversation_page(
    conversation: dict[str, Any], messages: Iterable[dict[str, Any]], zone: timezone, language: Language
) -> Iterator[str]:
    """The page in pieces, one for each message."""
    dialog, words = conversation["dialog"], WORDS[language]
    yield _head(dialog["title"] or dialog["dialog_id"], language)
    facts = {
        words["chat"]: dialog["chat_id"],
        words["client"].capitalize(): _name(dialog["client"]),
        words["operator"].capitalize(): _name(dialog["operator"]),
        words["line"]: dialog["line_id"],
        words["connector"]: dialog["connector_id"],
        words["opened"]: written(dialog["opened_at"], zone, language),
        words["sessions"]: ", ".join(str(each["session_id"] or "?") for each in conversation["sessions"]),
    }
    rows = (f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items() if value)
    yield f"<dl>{''.join(rows)}</dl>\n"
    shown: date | None = None
    for message in messages:
        sent = local(message["sent_at"], zone)
        assert sent is not None
        if sent.date() != shown:
            shown = sent.date()
            yield f"<h2>{day(sent, language)}</h2>\n"
        yield _message(message, f"{sent:%H:%M}", zone, language)
    yield "</body></html>\n"


def index_page(rows: Iterable[tuple[str, dict[str, Any]]], zone: timezone, language: Language) -> Iterator[str]:
    """`rows`: the name of a page beside it, and the dialog that it shows."""
    words = WORDS[language]
    yield _head(words["dialogs"], language)
    heads = ("chat", "title", "client", "operator", "last", "messages")
    yield f"<table><tr>{''.join(f'<th>{escape(words[name].capitalize())}</th>' for name in heads)}</tr>\n"
    for name, dialog in rows:
        cells = (
            f'<a href="{escape(name)}">{dialog["chat_id"]}</a>',
            escape(dialog["title"]),
            escape(_name(dialog["client"])),
            escape(_name(dialog["operator"])),
            written(dialog["last_message_at"], zone, language),
            str(dialog["message_count"]),
        )
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"
    yield "</table></body></html>\n"


def _head(title: str, language: Language) -> str:
    name = escape(title)
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="referrer" content="no-referrer"><meta name="viewport" content="width=device-width">'
        f"<title>{name}</title><style>{STYLE}</style></head><body>\n<h1>{name}</h1>\n"
    )


def _message(message: dict[str, Any], clock: str, zone: timezone, language: Language) -> str:
    author, words = message["author"], WORDS[language]
    kind = author["kind"] if author["kind"] in words else "system"
    marks = [
        f"{words[mark]} {written(message[f'{mark}_at'], zone, language)}"
        for mark in ("edited", "deleted")
        if message[f"{mark}_at"]
    ]
    if message["files"]:
        names = ", ".join(
            f"{file['name'] or file['id']} ({file['size']} {words['bytes']})" for file in message["files"]
        )
        marks.append(f"{words['files']}: {names}")
    deleted = " deleted" if message["deleted_at"] else ""
    foot = f"<footer>{escape(' · '.join(marks))}</footer>" if marks else ""
    return (
        f'<article class="{kind}{deleted}"><header><b>{escape(author["name"] or words[kind])}</b>'
        f"{words[kind]} · <time>{clock}</time></header><p>{escape(message['text_plain'])}</p>{foot}</article>\n"
    )


def _name(person: dict[str, Any] | None) -> str:
    return str(person["name"] or person["id"]) if person else ""
