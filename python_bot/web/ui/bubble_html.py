"""A bubble as HTML. Written out here, not in a template: a conversation has five hundred of them and has to be there
at once. Whatever was written by somebody passes `escape`; `Bubble.text` is markup already."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from markupsafe import Markup, escape

from .bubbles import Bubble, File


class Drawer:
    """`base`: public path of the pages; `words`: of the reader's language."""

    def __init__(self, base: str, chat_id: int, words: Mapping[str, str]) -> None:
        self._base = base
        self._talk = f"{base}/dialogs/{chat_id}"
        self._words = words
        self._exact = escape(words["permalink"])
        self._inexact = f"{self._exact}. {escape(words['inexact'])}"

    def __call__(self, item: Bubble) -> Markup:
        words, number = self._words, item.message_id
        states = f"{' deleted' if item.deleted_at else ''}{' hidden' if item.is_hidden else ''}"
        told = f" <span>{words[item.kind]}</span>" if item.name and item.kind in ("bot", "system") else ""
        said = f'<div class="said{" big" if item.is_big else ""}" dir="auto">{item.text}</div>' if item.text else ""
        files = "".join(map(self._file, item.files)) if item.files else ""
        marks = self._marks(item) if item.is_hidden or item.deleted_at or item.edited_at or item.versions else ""
        title = self._exact if item.is_exact else self._inexact
        about = "" if item.is_exact else '<span aria-hidden="true">~</span>'
        return Markup(
            f'<article id="m{number}" class="bubble {item.kind}{states}" data-day="{item.day}">'
            f"<header><bdi>{_escaped(item.name) or words[item.kind]}</bdi>{told}</header>{said}{files}"
            f'<footer>{marks}<a class="at" href="{self._talk}?at={number}#m{number}" title="{title}">'
            f"{item.at}{about}</a></footer></article>"
        )

    def _marks(self, item: Bubble) -> str:
        words, found = self._words, []
        if item.is_hidden:
            found.append(f"<span>{words['hidden']}</span>")
        found += [f"<span>{words['deleted']} {item.deleted_at}</span>"] if item.deleted_at else []
        found += [f"<span>{words['edited']} {item.edited_at}</span>"] if item.edited_at else []
        if item.versions:
            found.append(f'<a href="{self._talk}/messages/{item.message_id}">{words["history"]}</a>')
        return " ".join((*found, ""))

    def _file(self, file: File) -> str:
        address, name = f"{self._base}/files/{file.id}", escape(file.name)
        link = f'<a href="{address}" target="_blank" rel="noopener">'
        shown = ""
        if file.shows == "image":
            shown = f'{link}<img src="{address}" alt="{name}" loading="lazy"></a>'
        elif file.shows:
            shown = f'<{file.shows} controls preload="none" src="{address}" aria-label="{name}"></{file.shows}>'
        label = f"{link}<bdi>{name}</bdi></a>" if file.is_stored else f"<bdi>{name}</bdi>"
        size = f"{max(1, round(file.size / 1024)):,} {self._words['kilobytes']}".replace(",", " ")
        state = "" if file.is_stored else f" · {self._words[file.state]}"
        elsewhere = ""
        if file.address:
            away = f'href="{escape(file.address)}" target="_blank" rel="noopener noreferrer"'
            elsewhere = f" <a {away}>{self._words['in_portal']}</a>"
        caption = f"<figcaption>{label} <span>{size}{state}</span>{elsewhere}</figcaption>"
        return f'<figure class="file">{shown}{caption}</figure>'


@lru_cache(256)
def _escaped(name: str) -> str:
    return str(escape(name))
