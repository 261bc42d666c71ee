"""The index finds what reading every message would find, whatever was edited, repaired, removed or added meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.archive import Source
from python_bot.model import DialogFilter, FileRef, User
from python_bot.search import Index, IndexedSearch, Indexer, parse
from python_bot.search import index as index_module
from python_bot.search.reading import extra, matches
from python_bot.search.words import normal
from tests.contract.conftest import Stores
from tests.contract.conversations import Edit, facts, said

T = 1_785_312_000


class Searched:
    """An archive with its index, followed by hand."""

    def __init__(self, stores: Stores, path: Path) -> None:
        self.stores = stores
        self.index = Index(path)
        self.index.open()
        self.search = IndexedSearch(stores.archive, self.index)
        self._indexer = Indexer(stores.archive, self.index, lambda: True)

    def follow(self) -> None:
        while self._indexer.step():
            pass

    def say(self, message_id: int, text: str, chat_id: int = 5, author: User | None = None, **more: Any) -> None:
        message = said(message_id, text, T + message_id, None, author or User(744, "", "client"), chat_id, **more)
        self.stores.write(lambda tx: self.stores.archive.add_message(tx, facts(chat_id=chat_id), message, Source.BOT))

    def ids(self, text: str, **more: Any) -> list[int]:
        self.follow()
        return [m["message_id"] for m in self.walk(text, **more)]

    def walk(self, text: str, limit: int = 500, **more: Any) -> list[Any]:
        found, position = [], None
        while True:
            page = self.search.find(parse(text), position, limit, **more)
            found += json.loads(page.items)
            if page.next_key is None:
                return found
            position = page.next_key


@pytest.fixture
def searched(stores: Stores, tmp_path: Path) -> Iterator[Searched]:
    opened = Searched(stores, tmp_path / "search.db")
    yield opened
    opened.index.close()


FORMS = {
    "доставка": "доставку доставке доставкой доставки доставок доставкам",
    "заказ": "заказа заказы заказов заказом",
    "посылки": "посылок посылка посылку",
    "звонок": "звонка звонки звонков",
    "деньги": "денег деньгами",
    "ещё": "еще ЕЩЁ",
    "зелёный": "зеленая зелёного",
    "продавец": "продавца продавцу",
    "delivery": "deliveries",
    "ordered": "order orders ordering",
}


@pytest.mark.parametrize("word", FORMS)
def test_a_word_is_found_in_all_its_forms(word: str, searched: Searched) -> None:
    forms = [word, *FORMS[word].split()]
    for i, form in enumerate(forms):
        searched.say(i + 1, f"Скажите, а {form.capitalize()}?!")
    searched.say(99, "Ничего похожего")
    everyone = list(range(len(forms), 0, -1))
    for form in forms:
        assert searched.ids(form) == everyone, form
        assert searched.ids(f'"{form}"') != [], form


def test_quotes_ask_for_exactly_these_words_in_this_order(searched: Searched) -> None:
    searched.say(1, "Привезите доставку завтра")
    searched.say(2, "Завтра доставку, пожалуйста")
    searched.say(3, "доставка завтра")
    assert searched.ids('"доставку завтра"') == [1]
    assert searched.ids("«доставку завтра»") == [1]
    assert searched.ids("“доставка завтра”") == [3]
    assert searched.ids("доставка завтра") == [3, 2, 1]


def test_beginnings_pieces_and_exclusions(searched: Searched) -> None:
    searched.say(1, "самовывоз со склада")
    searched.say(2, "вывоз мусора")
    searched.say(3, "выставка и доставка")
    assert searched.ids("выв*") == [2]
    assert searched.ids("*выво*") == [2, 1]
    assert searched.ids("*став* -вывоз") == [3]
    assert searched.ids("*выво* -*само*") == [2]
    assert searched.ids("вывоз -мусор") == []
    assert searched.ids("*ставка*") == [3]


def test_names_of_people_and_files_and_telephone_numbers_are_found(searched: Searched) -> None:
    searched.say(1, "добрый день", author=User(7, "Анна Смирнова", "client"))
    searched.say(2, "", files=(FileRef(9, "Счёт на оплату №15.pdf", 1, "file", ""),))
    searched.say(3, "мой номер 8 (999) 123-45-67")
    assert searched.ids("смирнова") == [1]
    assert searched.ids("счета") == [2]
    assert searched.ids('"на оплату"') == [2]
    for written in ("79991234567", "+79991234567", "89991234567", "8(999)123-45-67"):
        assert searched.ids(written) == [3], written
    (hit,) = searched.walk("счёт")
    assert "<mark>Счёт</mark> на оплату" in hit["fragment"]


def test_a_fragment_shows_the_place_and_nothing_that_a_browser_would_run(searched: Searched) -> None:
    searched.say(1, f"{'слово ' * 100}<script>alert(1)</script> доставку & <b>{' конец' * 100}")
    searched.follow()
    (hit,) = searched.walk("доставка")
    assert "<mark>доставку</mark>" in hit["fragment"]
    assert hit["fragment"].replace("<mark>", "").replace("</mark>", "").count("<") == 0
    assert hit["fragment"].startswith("…")
    assert len(hit["fragment"]) < 400


def test_relevance_puts_the_better_hit_first(searched: Searched) -> None:
    searched.say(1, "доставка доставка доставка")
    for i in range(2, 30):
        searched.say(i, f"Сегодня погода хорошая, а про вопрос о том, когда будет доставка, мы подумаем {i}")
    found = searched.ids("доставка", order="relevance", limit=7)
    assert found[0] == 1
    assert sorted(found) == list(range(1, 30))


def test_an_archive_that_was_started_afresh_is_another_one(searched: Searched) -> None:
    searched.say(1, "старое")
    assert searched.ids("старое") == [1]
    searched.stores.storage.start_afresh(("outbox", "facts"))
    searched.say(2, "новое")
    assert searched.ids("старое") == []
    assert searched.ids("новое") == [2]


def test_an_unreadable_index_is_built_anew(stores: Stores, tmp_path: Path) -> None:
    first = Searched(stores, tmp_path / "search.db")
    first.say(1, "доставка")
    first.follow()
    first.index.close()
    (tmp_path / "search.db").write_bytes(b"no database at all" * 500)
    for name in ("search.db-wal", "search.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    second = Searched(stores, tmp_path / "search.db")
    assert second.ids("доставка") == [1]
    second.index.close()


# --- the index against reading everything ----------------------------------------------------------------------------

WORDS = ["доставка", "доставку", "завтра", "Ёлка", "елки", "order", "orders", "вывоз", "самовывоз", "10:30", "а"]
texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
queries = st.sampled_from(
    ["доставка", '"доставку завтра"', "дост*", "*ывоз*", "ёлка -завтра", "orders", "*дер*", "завтра -*само*", "10:30",
     "*вывоз* доставка", "анна", "ор* завтра", "-а вывоз"]
)  # fmt: skip
steps = st.one_of(
    st.tuples(st.just("say"), st.integers(1, 12), texts),
    st.tuples(st.just("edit"), st.integers(1, 12), texts),
    st.tuples(st.just("remove"), st.integers(1, 12), st.just("")),
    st.tuples(st.just("name"), st.integers(1, 2), st.sampled_from(["Анна", "Олег", ""])),
    st.tuples(st.just("follow"), st.just(0), st.just("")),
)


def take(searched: Searched, step: tuple[str, int, str]) -> None:
    kind, number, text = step
    if kind == "say":
        searched.say(number, text, 5 + number % 3, User(1 + number % 2, "", "client"))
    elif kind == "edit":
        edit = Edit(number, text, T + 50, None, None)
        searched.stores.write(lambda tx: edit(searched.stores.archive, tx))
    elif kind == "remove":
        searched.stores.write(lambda tx: tx.sql.execute("DELETE FROM message_versions WHERE message_id = ?", (number,)))
        searched.stores.write(lambda tx: tx.sql.execute("DELETE FROM messages WHERE message_id = ?", (number,)))
    elif kind == "name":
        searched.say(100 + number, "x", 5, User(number, text, "client"))
    else:
        searched.follow()


@given(st.lists(steps, max_size=25), queries, st.integers(1, 4), st.sampled_from([None, 744, 700]), st.booleans())
def test_the_index_finds_what_reading_everything_finds(
    fresh_stores: Callable[[], Any], taken: list[Any], query: str, limit: int, client_id: int | None, narrow: bool
) -> None:
    chunk, index_module.CHUNK = index_module.CHUNK, 3  # type: ignore[misc]  # small, so that its seams are met
    try:
        with fresh_stores() as stores, TemporaryDirectory() as home:
            searched = Searched(stores, Path(home) / "search.db")
            for step in taken:
                take(searched, step)
            asked = parse(query)
            everything = [m for chat_id in (5, 6, 7) for m in stores.messages(chat_id)]
            expected = {
                m["message_id"]
                for m in everything
                if matches(asked, normal(m["text_plain"]), extra(m["author"]["name"], "", m["text_plain"]))
                and client_id in (None, 744)
            }
            wanted = DialogFilter(client_id=client_id, line_id=3 if narrow else None)
            found = searched.ids(query, limit=limit, wanted=wanted)
            assert found == sorted(expected, reverse=True)
            ranked = searched.ids(query, limit=limit, wanted=replace(wanted, since=0), order="relevance")
            assert sorted(ranked, reverse=True) == found
            searched.index.close()
    finally:
        index_module.CHUNK = chunk  # type: ignore[misc]  # as it was
