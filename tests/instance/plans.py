"""Random conversations as plain values: who does what, how long after what went before. Pure: one seed, one plan.

A plan can be cut anywhere: each step needs only those before it. So a failure is narrowed down by playing beginnings.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

LINES: Final = (3, 3, 3, 4, 5)  # the bot stays to the end, leaves at the hand-over, never comes
OPERATORS: Final = (27, 31, 33)
CONNECTORS: Final = ("telegrambot", "telegrambot", "livechat")
AT_ONCE: Final = 25  # conversations that go on at the same time
WORLD: Final = -1  # the number of no conversation

WORDS: Final = ("заказ", "доставка", "возврат", "оплата", "счёт", "курьер", "размер", "склад", "скидка", "договор")
SHAPES: Final = (
    "{}",
    "{}",
    "[b]{}[/b] и ещё",
    "первая строка\n{}",
    "{} 👍 <b>&amp;</b>",
    "[URL=https://shop.example/?a=1&b=2]{}[/URL]",
    "[USER=27]Иван Петров[/USER], {}",
)


@dataclass(frozen=True, slots=True)
class Step:
    """`talk`: number of the conversation, WORLD for what happens to everybody; `pause_s`: simulated time before it."""

    talk: int
    act: str
    by: int = 0  # an operator, 0: the client
    text: str = ""
    nth: int = 0  # of what was said in this conversation by people
    to: int = 0  # an operator, a line, a rating, a number of times
    pause_s: float = 0.0


@dataclass(slots=True)
class Talk:
    """What a plan remembers of one conversation. `said`: author (0: the client) of each message, None when deleted."""

    number: int
    left: int  # steps
    is_open: bool = False
    closed: int = 0
    said: list[int | None] = field(default_factory=list)


OPEN: Final = {
    "client writes": 30,
    "operator writes": 30,
    "client sends a file": 4,
    "operator sends a file": 4,
    "whisper": 5,
    "edit": 8,
    "delete": 4,
    "answer": 4,
    "to operator": 4,
    "to line": 3,
    "finish": 9,
    "close by itself": 2,
    "ask for a person": 1,
}
CLOSED: Final = {"client writes": 40, "operator writes": 8, "reopen": 20, "rate": 5}


@dataclass(frozen=True, slots=True)
class Plan:
    """`doors`: by which line and connector each conversation comes in."""

    doors: tuple[tuple[int, str], ...]
    steps: tuple[Step, ...]


def plan(seed: int, talks: int) -> Plan:
    """The steps of `talks` conversations, interleaved, with accidents in between."""
    rng = random.Random(seed)
    doors = tuple((rng.choice(LINES), rng.choice(CONNECTORS)) for _ in range(talks))
    waiting = [Talk(number, left=int(rng.triangular(3, 22, 6))) for number in range(talks - 1, -1, -1)]
    going: list[Talk] = []
    steps: list[Step] = []
    while waiting or going:
        while waiting and len(going) < AT_ONCE:
            going.append(waiting.pop())
        talk = rng.choice(going)
        steps.append(_next(rng, talk))
        talk.left -= 1
        if talk.left <= 0:
            if talk.is_open and rng.random() < 0.7:
                steps.append(Step(talk.number, "finish", rng.choice(OPERATORS), pause_s=_pause(rng)))
            going.remove(talk)
    return Plan(doors, tuple(_with_accidents(rng, steps)))


def _next(rng: random.Random, talk: Talk) -> Step:
    acts = OPEN if talk.is_open else (CLOSED if talk.closed else {"client writes": 1})
    act = rng.choices(list(acts), list(acts.values()))[0]
    mine = [n for n, author in enumerate(talk.said) if author is not None]
    if act in ("edit", "delete") and not mine:
        act = "client writes"
    by, text, nth, to = rng.choice(OPERATORS), "", 0, 0
    if act in ("edit", "delete"):
        nth = rng.choice(mine)
        by = talk.said[nth] or 0
    if act in ("client writes", "client sends a file", "ask for a person"):
        by = 0
    if act in ("client writes", "operator writes", "whisper", "edit", "client sends a file"):
        word = f"{rng.choice(WORDS)}{talk.number}x{len(talk.said)}y{talk.left}"
        text = rng.choice(SHAPES).format(word)
    if act == "client sends a file" and rng.random() < 0.5:
        text = ""
    if act == "to operator":
        to = rng.choice([other for other in OPERATORS if other != by])
    if act == "to line":
        to = rng.choice((3, 4, 5))
    if act == "rate":
        to = rng.choice((1, 5))
    if act in ("client writes", "operator writes", "client sends a file", "operator sends a file", "whisper"):
        talk.said.append(by)
        talk.is_open = True
    elif act == "ask for a person":
        talk.said.append(0)
    elif act == "delete":
        talk.said[nth] = None
    elif act in ("finish", "close by itself"):
        talk.is_open, talk.closed = False, talk.closed + 1
    elif act == "reopen":
        talk.is_open = True
    return Step(talk.number, act, by, text, nth, to, _pause(rng))


def _pause(rng: random.Random) -> float:
    """Seconds, mostly some; now and then a break, a night."""
    chance = rng.random()
    if chance < 0.003:
        return rng.uniform(3600, 8 * 3600)
    return rng.uniform(600, 2400) if chance < 0.02 else rng.uniform(1, 40)


def _with_accidents(rng: random.Random, steps: list[Step]) -> list[Step]:
    """Weather of the event queue changes all the time; now and then the instance dies, or the portal is ill."""
    result: list[Step] = []
    back_at = None
    for number, step in enumerate(steps):
        if number % 60 == 0:
            result.append(Step(WORLD, "weather", to=rng.randrange(len(WEATHER))))
        if back_at is not None and number >= back_at:
            result.append(Step(WORLD, "start"))
            back_at = None
        if back_at is None and rng.random() < 1 / 250:
            result.append(Step(WORLD, rng.choice(("kill", "kill", "stop"))))
            back_at = number + rng.choice((0, 5, 60))
        if rng.random() < 1 / 150:
            result.append(Step(WORLD, rng.choice(ILLNESSES), to=rng.randint(1, 4)))
        result.append(step)
    return [*result, Step(WORLD, "start")] if back_at is not None else result


# Of the event queue: lost, doubled, late, shuffled within so many seconds.
WEATHER: Final = (
    (0.0, 0.0, 0.0, 0.0),
    (0.1, 0.2, 0.1, 0.3),
    (0.3, 0.1, 0.2, 0.05),
    (0.6, 0.0, 0.0, 0.5),
    (1.0, 0.0, 0.0, 0.0),
)
ILLNESSES: Final = ("maintenance", "garbage", "cut off", "history refused", "over the limit", "tokens expire")
