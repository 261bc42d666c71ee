"""BB code as Telegram's HTML, in pieces that Telegram takes. Pure.

A text becomes runs, words with the dress they wear; it is cut between words, and each piece is dressed anew. So no cut
is ever inside a tag or an entity. Lengths are UTF-16 units of what is seen, which is never less than Telegram counts.
https://core.telegram.org/bots/api#html-style ; tags may be nested, but not in code, and quotes not in quotes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from ... import bbcode
from ...values import dataclass

TEXT_LIMIT: Final = 4096
CAPTION_LIMIT: Final = 1024
ENTITY_LIMIT: Final = 100  # Telegram drops what is beyond; https://core.telegram.org/bots/api#sendmessage
_TAGS: Final = {"b": "b", "i": "i", "u": "u", "s": "s", "quote": "blockquote"}
_EARLIEST: Final = 0.6  # a word's end is taken for the cut when it lies behind so much of the room


@dataclass(frozen=True, slots=True)
class Run:
    """`dress`: what it is in, from the outside in: ('b', 'a href="https://a.ru"')."""

    text: str
    dress: tuple[str, ...] = ()


def pieces(text: str, first_limit: int = TEXT_LIMIT) -> list[str]:
    """BB code -> HTML texts to send one after the other; [] when nothing would be seen of it.

    `first_limit`: of the first one, which may be a caption.
    """
    rest = _trimmed(list(_runs(bbcode.parse(text), ())))
    found: list[str] = []
    while rest:
        piece, rest = _cut(rest, TEXT_LIMIT if found else first_limit)
        if piece := _trimmed(piece):
            found.append(_html(piece))
        rest = _trimmed(rest)
    return found


def length(text: str) -> int:
    """UTF-16 units of what is seen of BB code."""
    return sum(_units(run.text) for run in _trimmed(list(_runs(bbcode.parse(text), ()))))


def plain(html: str) -> str:
    """Our HTML as the words alone: for when Telegram does not understand it."""
    words, place = [], 0
    while (start := html.find("<", place)) >= 0:
        words.append(html[place:start])
        place = html.index(">", start) + 1
    words.append(html[place:])
    unescaped = "".join(words).replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    return unescaped.replace("&amp;", "&")


def _runs(nodes: Sequence[bbcode.Node], dress: tuple[str, ...]) -> Iterator[Run]:
    for node in nodes:
        if isinstance(node, bbcode.Text):
            yield Run(node.text, dress)
        elif node.name == "code":
            yield Run(bbcode.words((node,)), ("pre",))
        elif node.name in ("url", "img"):
            yield from _link(node, dress)
        elif node.name == "quote":
            yield from _quote(node, dress)
        elif node.name in ("icon", "disk", "timestamp"):
            yield Run(bbcode.words((node,)), dress)
        else:
            tag = _TAGS.get(node.name)
            yield from _runs(node.children, (*dress, tag) if tag and tag not in dress else dress)


def _link(tag: bbcode.Tag, dress: tuple[str, ...]) -> Iterator[Run]:
    address, label = bbcode.link(tag), bbcode.words(tag.children).strip()
    if not address:
        yield from _runs(tag.children, dress)
    elif label in ("", address) or any(outer.startswith("a ") for outer in dress):
        yield Run(label or address, dress)  # Telegram makes a link of it by itself
    else:
        yield from _runs(tag.children, (*dress, f'a href="{escape(address)}"'))


def _quote(tag: bbcode.Tag, dress: tuple[str, ...]) -> Iterator[Run]:
    inside = dress if "blockquote" in dress else (*dress, "blockquote")
    if tag.value:
        yield Run(f"{tag.value}\n", inside if "b" in inside else (*inside, "b"))
    runs = list(_runs(tag.children, inside))
    while runs and not runs[-1].text.rstrip("\n"):
        runs.pop()
    if runs:
        runs[-1] = Run(runs[-1].text.rstrip("\n"), runs[-1].dress)
    yield from runs
    yield Run("\n", dress)


def _trimmed(runs: list[Run]) -> list[Run]:
    """Without empty runs, and without blanks at both ends, which Telegram takes away as well."""
    runs = [run for run in runs if run.text]
    while runs and not runs[0].text.strip():
        runs.pop(0)
    while runs and not runs[-1].text.strip():
        runs.pop()
    if runs:
        runs[0] = Run(runs[0].text.lstrip(), runs[0].dress)
        runs[-1] = Run(runs[-1].text.rstrip(), runs[-1].dress)
    return runs


def _cut(runs: list[Run], limit: int) -> tuple[list[Run], list[Run]]:
    """What fits, up to the end of a line or a word where there is one in the last part of it; and the rest."""
    text = "".join(run.text for run in runs)
    room = _room(text, limit)
    bound = _bound_of_entities(runs)
    room = min(room, bound)
    if room >= len(text):
        return runs, []
    head = text[: room + 1]
    earliest = int(room * _EARLIEST)
    place = max(head.rfind("\n"), 0)
    if place < earliest:
        place = max(head.rfind(" "), place)
    place = place if place >= earliest and place > 0 else _whole(text, room)
    return _split(runs, place)


def _whole(text: str, place: int) -> int:
    """Not between a letter and what only changes its look: an accent, a joined emoji, a skin tone."""
    for back in range(min(place - 1, 32)):
        here, before = text[place - back], text[place - back - 1]
        is_mark = "\u0300" <= here <= "\u036f" or here in "\u200d\ufe0f\u20e3" or "\U0001f3fb" <= here <= "\U0001f3ff"
        if not is_mark and before != "\u200d":
            return place - back
    return place


def _bound_of_entities(runs: list[Run]) -> int:
    """Up to which character there are no more entities than Telegram keeps."""
    place, worn, count = 0, (), 0  # type: int, tuple[str, ...], int
    for run in runs:
        count += len(run.dress) - _common(worn, run.dress)
        if count > ENTITY_LIMIT:
            return max(place, 1)
        place, worn = place + len(run.text), run.dress
    return place


def _split(runs: list[Run], place: int) -> tuple[list[Run], list[Run]]:
    before: list[Run] = []
    for index, run in enumerate(runs):
        if place < len(run.text):
            left = [Run(run.text[:place], run.dress)] if place else []
            return before + left, [Run(run.text[place:], run.dress), *runs[index + 1 :]]
        before.append(run)
        place -= len(run.text)
    return before, []


def _html(runs: Sequence[Run]) -> str:
    found: list[str] = []
    worn: tuple[str, ...] = ()
    for run in runs:
        common = _common(worn, run.dress)
        found += [f"</{tag.partition(' ')[0]}>" for tag in reversed(worn[common:])]
        found += [f"<{tag}>" for tag in run.dress[common:]]
        found.append(escape(run.text, quote=False))
        worn = run.dress
    found += [f"</{tag.partition(' ')[0]}>" for tag in reversed(worn)]
    return "".join(found)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _room(text: str, limit: int) -> int:
    """How many characters of the text fit into `limit` UTF-16 units."""
    if len(text) * 2 <= limit:
        return len(text)
    units = 0
    for place, character in enumerate(text):
        units += 2 if character > "\uffff" else 1
        if units > limit:
            return place
    return len(text)
