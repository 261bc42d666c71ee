"""What the team answers: BB code as Telegram's HTML, cut where it may be cut, and files by kind and size."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from python_bot.channels.base import Outgoing, OutgoingFile, Part
from python_bot.channels.telegram import markup
from python_bot.channels.telegram.markup import CAPTION_LIMIT, TEXT_LIMIT, pieces, plain
from python_bot.channels.telegram.outbound import PHOTO_BYTES, UPLOAD_BYTES, kind_of, parts

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize(
    ("code", "html"),
    [
        ("Добрый день", "Добрый день"),
        ("[b]Иван Петров:[/b] [br]текст", "<b>Иван Петров:</b> \nтекст"),
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("[b]a[i]b[/i][/b][u]c[/u][s]d[/s]", "<b>a<i>b</i></b><u>c</u><s>d</s>"),
        ("[b]a[b]b[/b][/b]", "<b>ab</b>"),
        ("[url=https://a.ru/?x=1&y=2]сайт[/url]", '<a href="https://a.ru/?x=1&amp;y=2">сайт</a>'),
        ("[url]https://a.ru[/url]", "https://a.ru"),
        ("[url=javascript:alert(1)]сайт[/url]", "сайт"),
        ('[url=https://a.ru/"onclick="x]сайт[/url]', '<a href="https://a.ru/&quot;onclick=&quot;x">сайт</a>'),
        ("[code]if a < b: [b]x[/b][/code]", "<pre>if a &lt; b: [b]x[/b]</pre>"),
        ("[user=5]Анна[/user] [color=red]красный[/color]", "Анна красный"),
        ("<b>не наш</b>", "&lt;b&gt;не наш&lt;/b&gt;"),
        (">> раз\n>> два\nтри", "<blockquote>раз\nдва</blockquote>\nтри"),
        ("[unknown]так[/unknown]", "[unknown]так[/unknown]"),
    ],
)
def test_bb_code_is_safe_html(code: str, html: str) -> None:
    assert pieces(code) == [html]


@pytest.mark.parametrize("code", ["", " \n ", "[b][/b]", "[disk=5]", "[b] [/b]\n"])
def test_what_shows_nothing_is_not_sent(code: str) -> None:
    assert pieces(code) == []


class _Seen(HTMLParser):
    """Closed tags only, each in its order; what is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.count = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.count += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def seen(html: str) -> str:
    parser = _Seen()
    parser.feed(html)
    parser.close()
    assert parser.open == [] and parser.count <= markup.ENTITY_LIMIT
    return parser.text


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def test_a_long_text_is_cut_between_lines_then_words_and_never_inside_a_tag() -> None:
    code = "[b]" + "слово " * 1500 + "[/b]"
    found = pieces(code)
    assert [units(seen(piece)) <= TEXT_LIMIT for piece in found] == [True] * 3
    assert all(piece.startswith("<b>слово") and piece.endswith("слово</b>") for piece in found)
    lines = "\n".join(["строка " * 20] * 40)
    assert all(seen(piece).endswith("строка ") or seen(piece).endswith("строка") for piece in pieces(lines))


def test_lengths_are_counted_in_utf16_and_no_letter_is_torn() -> None:
    found = pieces("😀" * 3000)
    assert [units(piece) for piece in found] == [4096, 1904]
    family = "👨\u200d👩\u200d👧"
    for piece in pieces(family * 900):
        assert piece.replace(family, "") == ""
    for piece in pieces("е\u0301" * 3000):
        assert piece.replace("е\u0301", "") == ""


@pytest.mark.parametrize("seed", range(20))
def test_no_text_loses_a_word_or_breaks_a_tag(seed: int) -> None:
    chance = random.Random(seed)
    bits = [
        "слово",
        " ",
        "\n",
        "[b]",
        "[/b]",
        "[i]",
        "[/i]",
        "[url=https://a.ru]",
        "[/url]",
        "<",
        "&amp;",
        "😀",
        "[br]",
    ]
    bits += ["[code]", "[/code]", ">> цитата\n", "\r\n", "[", "]", "-" * 54, "x" * 300]
    code = "".join(chance.choice(bits) for _ in range(3000))
    found = pieces(code, CAPTION_LIMIT)
    whole = "".join(run.text for run in markup._runs(markup.bbcode.parse(code), ()))
    assert re.sub(r"\s+", "", "".join(map(seen, found))) == re.sub(r"\s+", "", whole)
    assert all(units(seen(piece)) <= (CAPTION_LIMIT if place == 0 else TEXT_LIMIT) for place, piece in enumerate(found))
    assert all(plain(piece) == seen(piece) for piece in found)


def test_more_entities_than_telegram_keeps_are_for_the_next_piece() -> None:
    found = pieces("[b]a[/b] " * 250)
    assert len(found) == 3 and all(seen(piece) for piece in found)


def file(name: str, size: int = 1000, type: str = "") -> OutgoingFile:
    return OutgoingFile(name, type, size, f"https://acme.bitrix24.ru/~{name}")


def sent(text: str = "", *files: OutgoingFile) -> list[tuple[str, str, int]]:
    found = parts(Outgoing("1", "tg:5", text, files))
    assert [part.number for part in found] == list(range(len(found)))
    return [(part.kind, part.text, len(part.files)) for part in found]


@pytest.mark.parametrize(
    ("one", "kind"),
    [
        (file("a.jpg"), "photo"),
        (file("a", type="image/png"), "photo"),
        (file("a.JPEG", type="image"), "photo"),
        (file("a.jpg", PHOTO_BYTES + 1), "document"),
        (file("a.gif"), "animation"),
        (file("a.mp4", type="video/mp4; codecs=x"), "video"),
        (file("a.mov"), "document"),
        (file("a.ogg", type="audio/ogg"), "voice"),
        (file("a.mp3"), "audio"),
        (file("смета.xlsx", type="file"), "document"),
        (file("a.jpg", type="application/pdf"), "document"),
        (file("svg", type="image/svg+xml"), "document"),
    ],
)
def test_files_go_as_what_telegram_shows_best(one: OutgoingFile, kind: str) -> None:
    assert kind_of(one) == kind


def test_words_are_the_caption_when_they_fit() -> None:
    assert sent("[b]Вот[/b]", file("a.jpg")) == [("photo", "<b>Вот</b>", 1)]
    assert sent("", file("a.pdf")) == [("document", "", 1)]
    long = "слово " * 300
    assert [(kind, count) for kind, _, count in sent(long, file("a.jpg"))] == [("photo", 1), ("text", 0)]
    assert sent("[b] [/b]") == []


def test_neighbours_go_as_albums_of_ten() -> None:
    photos = [file(f"{n}.jpg") for n in range(11)]
    assert sent("Фото", *photos, file("a.mp4")) == [("album", "Фото", 10), ("album", "", 2)]
    assert sent("", file("1.jpg"), file("a.pdf"), file("b.pdf"), file("c.gif"), file("d.gif")) == [
        ("photo", "", 1),
        ("album", "", 2),
        ("animation", "", 1),
        ("animation", "", 1),
    ]


def test_what_no_bot_may_send_becomes_a_link() -> None:
    film = file("фильм & Ко.mp4", UPLOAD_BYTES + 1)
    found = sent("Смотрите", replace(film, link=lambda: "https://bots.acme.ru/acme/channel-files/a.b"))
    link = '<a href="https://bots.acme.ru/acme/channel-files/a.b">фильм &amp; Ко.mp4</a> (50 МБ)'
    assert found == [("text", "Смотрите", 0), ("text", link, 0)]
    assert sent("", film) == [("text", "фильм &amp; Ко.mp4 (50 МБ)", 0)]  # never the portal's own address


def test_an_album_holds_no_more_than_one_request_may() -> None:
    half = UPLOAD_BYTES // 2
    photos = [file(f"{n}.mp4", half) for n in range(5)]
    assert sent("Фото", *photos) == [("album", "Фото", 2), ("album", "", 2), ("video", "", 1)]


def test_parts_are_the_same_at_every_try() -> None:
    message = Outgoing("1", "tg:5", "текст " * 2000, (file("a.jpg"), file("b.jpg")))
    assert parts(message) == parts(message)
    assert isinstance(parts(message)[0], Part)
