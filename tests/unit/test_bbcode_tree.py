from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot import bbcode
from python_bot.bbcode import MAX_DEPTH, Node, Tag, Text, attribute, link, parse, words

DASHES = "-" * 54


def tag(name: str, *children: Node | str, value: str = "") -> Tag:
    return Tag(name, value, tuple(Text(child) if isinstance(child, str) else child for child in children))


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("", ()),
        ("просто [1] [x", (Text("просто [1] [x"),)),
        ("[B]Да[/b], [i][u]нет[/u][/i]", (tag("b", "Да"), Text(", "), tag("i", tag("u", "нет")))),
        ("a[br]b[BR /]c\r\nd\re", (Text("a\nb\nc\nd\ne"),)),
        ("[url=https://a.ru]сайт[/url]", (tag("url", "сайт", value="https://a.ru"),)),
        ("[USER=27 REPLACE]Иван[/USER]", (tag("user", "Иван", value="27 REPLACE"),)),
        ("[b][i]x[/b]y[/i]", (tag("b", tag("i", "x")), Text("y"))),
        ("[b]открыт и забыт [i]x[/i]", (Text("открыт и забыт "), tag("i", "x"))),
        ("закрыт[/b] зря", (Text("закрыт зря"),)),
        ("[code][b]x[/b]\n>>y[/CODE]z", (tag("code", "[b]x[/b]\n>>y"), Text("z"))),
        ("[code]без конца [b]x[/b]", (Text("без конца "), tag("b", "x"))),
        ("[icon=i.png size=20 title=Так и есть]", (tag("icon", value="i.png size=20 title=Так и есть"),)),
        ("[disk=42]файл", (tag("disk", value="42"), Text("файл"))),
        ("до\n>>раз\n>> два [b]x[/b]\nпосле", (Text("до\n"), tag("quote", "раз\nдва ", tag("b", "x")), Text("после"))),
        (">>>>внутри", (tag("quote", tag("quote", "внутри")),)),
        ("a >> b", (Text("a >> b"),)),
        (
            f"{DASHES}\nАнна [01.08.2026 12:00] #chat5/7\nдва\nслова\n{DASHES}\nответ",
            (tag("quote", "два\nслова", value="Анна [01.08.2026 12:00]"), Text("ответ")),
        ),
        (f"{DASHES}\nбез имени\n{DASHES}", (tag("quote", "без имени"),)),
        (f"{DASHES}\nбез конца", (Text(f"{DASHES}\nбез конца"),)),
        ("[quote]раз[/quote]", (tag("quote", "раз"),)),
        ("[img size=small]https://a.ru/x.png[/img]", (tag("img", "https://a.ru/x.png", value="size=small"),)),
    ],
)  # fmt: skip
def test_a_text_becomes_a_tree(text: str, nodes: tuple[Node, ...]) -> None:
    assert parse(text) == nodes


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[url=https://a.ru/x?y=1]x[/url]", "https://a.ru/x?y=1"),
        ("[url]HTTP://a.ru[/url]", "HTTP://a.ru"),
        ("[url=mailto:a@b.ru]x[/url]", "mailto:a@b.ru"),
        ("[url=tel:+7900]x[/url]", "tel:+7900"),
        ("[url=www.a.ru/x]x[/url]", "https://www.a.ru/x"),
        ("[url=пример.рф]x[/url]", "https://пример.рф"),
        ("[img]https://a.ru/x.png[/img]", "https://a.ru/x.png"),
        ("[url=javascript:alert(1)]x[/url]", ""),
        ("[url= \u200bjava\tscript:alert(1)]x[/url]", ""),
        ("[url]data:text/html,x[/url]", ""),
        ("[url=//a.ru]x[/url]", ""),
        ("[url=/bitrix/x]x[/url]", ""),
        ("[url=https:///x]x[/url]", ""),
        ("[url=vbscript:x.y/]x[/url]", ""),
        ("[url][/url]", ""),
    ],
)
def test_only_a_safe_address_is_a_link(text: str, address: str) -> None:
    (found,) = parse(text)
    assert isinstance(found, Tag) and link(found) == address


def test_a_value_has_named_parts() -> None:
    value = "https://a.ru/i.png size=20 title=Так и есть"
    assert [attribute(value, name) for name in ("size", "title", "width")] == ["20", "Так и есть", ""]
    assert words(parse("[b]a[/b] [icon=x title=:)] [url=x]y[/url]")) == "a :) y"


PIECES = [
    "[b]",
    "[/b]",
    "[code]",
    "[/code]",
    "[url=x]",
    "[/url]",
    "[quote]",
    "\n>>",
    f"\n{DASHES}\n",
    "[",
    "слово",
    " ",
]


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_no_sequence_of_tags_loses_a_word(parts: list[str]) -> None:
    assert words(parse("".join(parts))).count("слово") == parts.count("слово")


def test_depth_is_bounded() -> None:
    def depth(nodes: tuple[Node, ...]) -> int:
        return max((1 + depth(node.children) for node in nodes if isinstance(node, Tag)), default=0)

    assert depth(parse("[b]" * 5000 + "x" + "[/b]" * 5000)) == MAX_DEPTH
    assert depth(parse(">>" * 5000 + "x")) < MAX_DEPTH


@pytest.mark.parametrize(
    "piece",
    ["[url=a]", "[url=", "[code]", "[/b]x", "[b]", "\n>>", f"{DASHES}\n", f"{DASHES}\nx\n", "x [", " [a] #", "[b=\n"],
)
def test_hostile_texts_cost_linear_time(piece: str) -> None:
    def cost(length: int) -> float:
        text, costs = (piece * length)[:length], []
        for _ in range(3):
            started = time.process_time()
            parse(text)
            parse(f"{DASHES}\n{text}")
            costs.append(time.process_time() - started)
        return min(costs)

    assert cost(80_000) < 10 * cost(20_000) + 0.02


@pytest.mark.parametrize(
    "typed",
    [
        "[send=/close]да[/send]",
        "[PUT=удалить всё]спасибо[/PUT]",
        "[url=https://evil.example]наш сайт[/url]",
        "[user=1]Иван[/user]",
        "[b]важно[/b]",
        "[[send=x]y",
    ],
)
def test_words_from_outside_are_no_code_and_look_as_they_were_typed(typed: str) -> None:
    disarmed = bbcode.disarmed(typed)
    assert parse(disarmed) == (Text(disarmed),)
    assert disarmed.replace("\u2060", "") == typed


@pytest.mark.parametrize("typed", ["цена [за штуку] 5", "a[0] = b", "😀 [Стикер]", "[", "[]"])
def test_brackets_that_are_no_code_stay_as_they_are(typed: str) -> None:
    assert bbcode.disarmed(typed) == typed
