"""Erases one person from an instance's home, and proves it by searching the whole home afterwards.

The archive itself goes last: until then a second run, after an interruption, still knows what to look for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import field
from pathlib import Path
from typing import Final

from ..archive import Erased, SqliteArchive, SqliteErasure
from ..archive.outside import Topic
from ..archive.person import Traces, packed, words_of_others
from ..attachments import ContentStore
from ..db import KeptCopy, Storage, Tx
from ..errors import StorageError
from ..search import Index, Indexer
from ..search.words import normal
from ..values import dataclass
from . import home as files
from .home import Hit
from .journal import chats_of_entry
from .needles import LONGEST, SHORTEST_NAME, SHORTEST_TEXT, Matcher
from .whom import Whom

MOST_TEXTS: Final = 200  # the longest: what they find, they find for the others of their dialogs too
DATABASE: Final = "dialogs.db"
INDEX: Final = "search.db"
_CHAT: Final = re.compile(rb'"chat_id": ?(\d+)')


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the person, in the archive and in the kept copies of former ones (relative to the home).

    `topics`: where groups of Telegram show it.
    """

    traces: Traces
    copies: tuple[str, ...]
    topics: frozenset[Topic]

    @property
    def names(self) -> set[str]:
        return {name[:LONGEST] for name in self.traces.names if len(name) >= SHORTEST_NAME}

    @property
    def texts(self) -> set[str]:
        """Those that are long enough to be nobody else's."""
        return {text.strip()[:LONGEST] for text in self.traces.texts if len(text.strip()) >= SHORTEST_TEXT}

    @property
    def words(self) -> set[str]:
        return self.names | set(sorted(self.texts, key=lambda text: (-len(text), text))[:MOST_TEXTS])


@dataclass(frozen=True, slots=True)
class Proof:
    """`words`: how many were looked for; `shared`: how many more others have said too, which prove nothing.

    `left`: file and whether it is a name or a text.
    """

    words: int
    shared: int
    texts_known: int
    files: int
    bytes: int
    left: tuple[tuple[str, str], ...]
    was_compacted: bool


@dataclass(slots=True)
class Forgetting:
    home: Path
    storage: Storage
    whom: Whom
    say: Callable[[str], None]
    _looked: list[int] = field(default_factory=list)

    # --- what there is

    def look(self) -> Found:
        with self.storage.read() as tx:
            chats = self.whom.chats(SqliteErasure(self.storage))
            found, topics = self.whom.traces(tx, chats), self.whom.topics(tx, chats)
        copies = []
        for path in self._copies():
            more = self._in_copy(path, self._traces_of_copy)
            if more is not None and more.is_known:
                copies.append(str(path.relative_to(self.home)))
                found = _together(found, more)
        return Found(found, tuple(copies), topics)

    def _traces_of_copy(self, copy: KeptCopy) -> Traces:
        chats = self.whom.chats(SqliteErasure(copy))
        return copy.write(lambda tx: self.whom.traces(tx, chats))

    def _copies(self) -> list[Path]:
        return [path for path in files.databases(self.home) if path.name not in (DATABASE, INDEX)]

    def _in_copy(self, path: Path, work: Callable[[KeptCopy], Traces]) -> Traces | None:
        """None for a file that is no readable archive: the search will tell whether the person is in it."""
        try:
            with closing(KeptCopy(path)) as copy:
                return work(copy)
        except StorageError:
            return None

    # --- erasing

    def erase(self, found: Found) -> tuple[Erased, int]:
        """How many rows went from the archive, and how many log lines were made empty."""
        matcher, chats = Matcher(found.words), found.traces.chats

        def names_them(line: bytes) -> bool:
            said_of = {int(number) for number in _CHAT.findall(line)}
            return bool(said_of & chats or matcher.words_in(line))

        lines = files.blank_log_lines(self.home, names_them)
        for name in found.copies:
            self.say(f"erasing from {name}")
            with closing(KeptCopy(self.home / name)) as copy:
                _erase_from(SqliteErasure(copy), self.whom, chats, matcher)
                copy.compact()
        self.say("erasing from the archive")
        erased = _erase_from(SqliteErasure(self.storage), self.whom, chats, matcher)
        self._remove_contents(found.traces.hashes)
        self._follow_with_index()
        self.storage.empty_wal()
        return erased, lines

    def _follow_with_index(self) -> None:
        """The instance does it too, a moment later; but it may be off."""
        if not (self.home / INDEX).exists():
            return
        index = Index(self.home / INDEX)
        index.open()
        try:
            indexer = Indexer(SqliteArchive(self.storage), index, lambda: True)
            while indexer.step():
                pass
            index.scrub()
        finally:
            index.close()

    def _drop_index(self) -> None:
        """It is built anew from the archive by whoever runs."""
        for suffix in ("", "-wal", "-shm"):
            (self.home / f"{INDEX}{suffix}").unlink(missing_ok=True)

    def _remove_contents(self, hashes: Collection[str]) -> None:
        """What was sent, unless somebody else sent the same."""
        contents = ContentStore(self.home / "files", self.storage, SqliteArchive(self.storage))
        contents.remove(hashes)
        contents.remove_left()

    # --- proving

    def prove(self, found: Found) -> Proof:
        """Search the whole home; when something is left between the rows of the archive, write its file anew."""
        shared = self._shared(found.words)
        matcher = Matcher(found.words - shared, normal)
        hits = self._search(matcher)
        was_compacted = _is_in(hits, DATABASE)
        if was_compacted:
            self.say("the archive is written anew: traces lay between its rows")
            self.storage.compact()
        if _is_in(hits, INDEX):
            self.say("the search index is thrown away; the instance builds it anew")
            self._drop_index()
        if was_compacted or _is_in(hits, INDEX):
            hits = self._search(matcher)
        names = found.names
        left = {(hit.file, "a name or number" if hit.word in names else "a text") for hit in hits}
        with self.storage.read() as tx:
            if any(matcher.words_in(body) for body in packed(tx)):
                left.add((DATABASE, "a compressed text"))
        return Proof(
            words=len(found.words - shared),
            shared=len(shared),
            texts_known=len(found.traces.texts),
            files=len(self._looked),
            bytes=sum(self._looked),
            left=tuple(sorted(left)),
            was_compacted=was_compacted,
        )

    def _search(self, matcher: Matcher) -> list[Hit]:
        self.say("searching the home directory")
        self._looked.clear()
        return files.search(self.home, matcher, self._looked.append)

    def _shared(self, words: Collection[str]) -> set[str]:
        """Words that stand in dialogs of others, here or in a kept copy."""
        matcher = Matcher(words, normal)
        found: set[str] = set()

        def look(tx: Tx) -> None:
            for text in words_of_others(tx):
                for spelt in {text, normal(text)}:
                    found.update(matcher.words_in(spelt.encode("utf-8", "surrogatepass")))

        with self.storage.read() as tx:
            look(tx)
        for path in self._copies():
            try:
                with closing(KeptCopy(path)) as copy:
                    copy.write(look)
            except StorageError:
                continue
        return found


def _erase_from(erasure: SqliteErasure, whom: Whom, chats: Collection[int], matcher: Matcher) -> Erased:
    while erasure.link_journal(chats_of_entry):
        pass
    erased = sum((erasure.erase(chat_id) for chat_id in sorted(chats)), Erased())

    def names_them(event: str, form: str, body: bytes) -> bool:
        return bool(matcher.words_in(body)) or not chats_of_entry(event, form, body).isdisjoint(chats)

    journal = erasure.sweep_journal(names_them)
    jobs = erasure.sweep_jobs(lambda text: bool(matcher.words_in(text)))
    return erased + Erased(journal=journal, jobs=jobs) + whom.erase(erasure)


def _is_in(hits: Collection[Hit], database: str) -> bool:
    return any(hit.file in (database, f"{database}-wal") for hit in hits)


def _together(one: Traces, other: Traces) -> Traces:
    return Traces(
        one.is_known or other.is_known,
        one.chats | other.chats,
        max(one.others, other.others),
        one.names | other.names,
        one.texts | other.texts,
        one.hashes | other.hashes,
    )
