"""An export without the people in it: who they are, and what leads to them, becomes pseudonyms that stay the same.

What stays: numbers of chats, sessions and messages, times, prices, orders, lines and channels, what was talked about.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final

from ..archive import Archive
from ..search.words import stem
from ..values import dataclass
from . import names
from .people import Naming, namings
from .pseudonyms import Pseudonyms
from .traces import traces

CHATS: Final = 5_000  # dialogs whose people are kept in mind
PERSON: Final = "Участник"
NAME: Final = "Имя"
_INVISIBLE: Final = dict.fromkeys((*range(0x200B, 0x2010), 0x2060, 0xFEFF, 0x00AD, 0x0301, *range(0x202A, 0x202F)))
_SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,5}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part in a dialog: which of them a word names, as `names.spelt`."""

    owner_of: dict[str, int]

    def names(self, word: str) -> bool:
        return self.owner(word) is not None

    def owner(self, word: str) -> int | None:
        found = self.owner_of.get(word)
        if found is None and len(word) > 3:
            found = self.owner_of.get(names.latin(word))
        # «Пётр» is not «Петров», though their stems are one.
        if found is None and names.first_name(word) is None and len(stemmed := stem(word)) > 3:
            found = self.owner_of.get(f"{stemmed}…")
        return found


def cast_of(people: Iterable[tuple[int, str]]) -> Cast:
    """`people`: numbers and names. A word that two of them share is the first one's."""
    owner_of: dict[str, int] = {}
    for number, name in people:
        for form in names.known_forms([name]):
            owner_of.setdefault(form, number)
            if len(stemmed := stem(form)) > 3:
                owner_of.setdefault(f"{stemmed}…", number)
    return Cast(owner_of)


class TextMask:
    """Changes texts. `anywhere`: words of the names of everybody whom the archive knows, as `names.spelt`."""

    def __init__(self, pseudonyms: Pseudonyms, anywhere: frozenset[str] = frozenset()) -> None:
        self._pseudonyms = pseudonyms
        self._anywhere = anywhere

    def person(self, number: int) -> str:
        return self._pseudonyms.word(PERSON, "user", str(number)) if number else ""

    def text(self, text: str, cast: Cast) -> str:
        if not text:
            return text
        text = text.translate(_INVISIBLE)
        found = [
            (each.start, each.end, self._pseudonyms.word(each.label, each.label, each.value)) for each in traces(text)
        ]
        taken = [(start, end) for start, end, _ in found]
        for naming in namings(text, cast.names, self._anywhere.__contains__, taken):
            found.append((naming.start, naming.end, self._name(naming, cast)))
        pieces, position = [], 0
        for start, end, pseudonym in sorted(found):
            pieces += [text[position : max(position, start)], pseudonym]
            position = max(position, end)
        return "".join([*pieces, text[position:]])

    def file_name(self, name: str) -> str:
        suffix = _SUFFIX.search(name)
        return self._pseudonyms.word("файл", "file", name) + (suffix.group().lower() if suffix else "")

    def _name(self, naming: Naming, cast: Cast) -> str:
        for word in naming.words:
            owner = cast.owner(word)
            if owner is not None:
                return self.person(owner)
        words = sorted(names.first_name(word) or stem(word) for word in naming.words)
        return self._pseudonyms.word(NAME, "name", " ".join(words))


class Anonymiser:
    """Implements `wish.Mask` over one archive."""

    def __init__(self, archive: Archive, key: bytes) -> None:
        self._archive = archive
        self._pseudonyms = Pseudonyms(key)
        self._texts = TextMask(self._pseudonyms, _all_names(archive))
        self._casts: OrderedDict[int, Cast] = OrderedDict()

    def message(self, message: dict[str, Any]) -> dict[str, Any]:
        cast = self._cast(message["chat_id"])
        plain = self._texts.text(message["text_plain"], cast)
        files = [self._file(file) for file in message["files"]]
        # BB code names people in its tags, and parts a name with them: what is read is all that is told.
        shown = {
            **message,
            "author": self._person(message["author"]),
            "text": plain,
            "text_plain": plain,
            "files": files,
        }
        shown.pop("external", None)  # in a messenger everybody is known by number
        return shown

    def conversation(self, conversation: dict[str, Any]) -> dict[str, Any]:
        dialog = conversation["dialog"]
        cast = self._remember(dialog["chat_id"], conversation)
        client, operator = dialog["client"], dialog["operator"]
        changed = {
            **dialog,
            "title": self._title(dialog["title"], client, cast),
            "client": client and self._person(client),
            "operator": operator and self._person(operator),
        }
        changed.pop("external", None)
        people = [self._person(person) for person in conversation["participants"]]
        sessions = self._told(conversation["sessions"], cast)
        crm = [{**link, "id": self._pseudonyms.number(link["type"], link["id"])} for link in conversation["crm"]]
        return {**conversation, "dialog": changed, "participants": people, "sessions": sessions, "crm": crm}

    def _title(self, title: str, client: dict[str, Any] | None, cast: Cast) -> str:
        """«Анна Смирнова - Продажи»: the portal puts the client in front of the line."""
        name, dash, line = title.rpartition(" - ")
        who = self._texts.person(client["id"]) if client else self._pseudonyms.word(PERSON, "title", name or line)
        return f"{who}{dash}{self._texts.text(line, cast)}" if dash else who

    def _person(self, person: dict[str, Any]) -> dict[str, Any]:
        number = person["id"]
        return {**person, "id": self._pseudonyms.number("user", number), "name": self._texts.person(number)}

    def _file(self, file: dict[str, Any]) -> dict[str, Any]:
        number = self._pseudonyms.number("file", file["id"])
        return {**file, "id": number, "name": self._texts.file_name(file["name"]), "url": None, "problem": None}

    def _told(self, value: Any, cast: Cast) -> Any:
        """A session with its events: people wherever they stand, reasons as texts; times and numbers stay."""
        if isinstance(value, dict):
            if {"id", "name"} <= value.keys():
                return self._person(value)
            return {name: self._told(each, cast) for name, each in value.items()}
        if isinstance(value, list):
            return [self._told(each, cast) for each in value]
        return self._texts.text(value, cast) if isinstance(value, str) else value

    def _cast(self, chat_id: int) -> Cast:
        if chat_id in self._casts:
            self._casts.move_to_end(chat_id)
            return self._casts[chat_id]
        found = self._archive.dialog(chat_id)
        return self._remember(chat_id, json.loads(found)) if found else Cast({})

    def _remember(self, chat_id: int, conversation: dict[str, Any]) -> Cast:
        dialog = conversation["dialog"]
        people = [person for person in (dialog["client"], dialog["operator"], *conversation["participants"]) if person]
        cast = cast_of((person["id"], person["name"]) for person in people)
        self._casts[chat_id] = cast
        if len(self._casts) > CHATS:
            self._casts.popitem(last=False)
        return cast


def _all_names(archive: Archive) -> frozenset[str]:
    found: set[str] = set()
    after = 0
    while True:
        page = archive.users_page(after, 500)
        for user in json.loads(page.items):
            found |= names.known_forms((user["name"], user["first_name"], user["last_name"]))
        if page.next_key is None:
            return frozenset(found)
        (after,) = page.next_key
