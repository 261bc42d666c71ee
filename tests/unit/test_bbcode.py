from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.bitrix.bbcode import plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("просто текст", "просто текст"),
        ("", ""),
        ("[B]Да[/B],[br]см. [url=https://a.ru]сайт[/url]", "Да,\nсм. сайт (https://a.ru)"),
        ("[url]https://a.ru[/url]", "https://a.ru"),
        ("[URL=https://a.ru]https://a.ru[/URL]", "https://a.ru"),
        ("[URL=https://a.ru][/URL]", "https://a.ru"),
        ("[b]Иван Петров:[/b] [br]текст", "Иван Петров: \nтекст"),
        ("[USER=27]Иван[/USER], привет", "Иван, привет"),
        ("[CHAT=5]общий[/CHAT]", "общий"),
        ("[i][u][s]x[/s][/u][/i]", "x"),
        ("[color=#ff0000]красный[/color] [size=20]большой[/size]", "красный большой"),
        ("[icon=https://a.ru/i.png size=20 title=Смайл]", "Смайл"),
        ("[icon=https://a.ru/i.png]", ""),
        ("[disk=42]файл", "файл"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("цена [1] и [2]", "цена [1] и [2]"),
        ("[неизвестно]x[/неизвестно]", "[неизвестно]x[/неизвестно]"),
        ("[", "["),
        ("]]][[[", "]]][[["),
        ("[b", "[b"),
        ("[url=x", "[url=x"),
        ("a[b]", "a"),
        ("[put=/cmd]Кнопка[/put]", "Кнопка"),
    ],
)
def test_tags_are_turned_into_what_a_person_reads(text: str, expected: str) -> None:
    assert plain(text) == expected


@given(st.text(alphabet="abc\n 👍"))
def test_text_without_tags_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


@given(st.lists(st.sampled_from(["[b]", "[/b]", "[url=x]", "[/url]", "[icon=", "title=", "[", "]", "слово", "=", " "])))
def test_no_sequence_of_tags_loses_a_word(parts: list[str]) -> None:
    words = parts.count("слово")
    assert plain("".join(parts)).count("слово") <= words
    if "[icon=" not in parts:
        assert plain("".join(parts)).count("слово") == words


@pytest.mark.parametrize(
    "piece", ["[url=a]", "[url=", "[icon=title=", "[icon=a ", "title=", "[b", "[br", "[disk=", "\r"]
)
def test_the_longest_message_of_a_client_is_read_at_once(piece: str) -> None:
    def cost(length: int) -> float:
        text = (piece * length)[:length]
        costs = []
        for _ in range(3):
            started = time.process_time()
            plain(text)
            plain("[icon=" + text)
            costs.append(time.process_time() - started)
        return min(costs)

    # Four times the text costs four times the work, not sixteen; Bitrix24 cuts messages at 20,000 characters.
    assert cost(80_000) < 10 * cost(20_000) + 0.02
