"""Whatever happens on the way, every message of a client is once in the open line and once in its topic, in order.

Webhooks that get lost, come twice and in any order, a poller that races them, kills, and each of the three others
down while clients write.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Sequence

from python_bot.simulator.avito import Buyer
from tests.instance.tools import BEARER
from tests.support import until
from tests.support.messengers import World, messengers


def is_poked(world: World, account_id: int) -> None:
    """An empty change: another secret, and the poller asks at once, as it would within a minute."""
    answer = world.server.request("PATCH", f"/api/avito/accounts/{account_id}", b"{}", **BEARER)
    assert answer.status == 200, answer.text


class Crowd:
    """Clients, and what they said."""

    def __init__(self, world: World, names: Sequence[str] = ("Анна", "Борис", "Вера")) -> None:
        self.world = world
        self.people = [world.shop.buyer(name, world.shop.item("Велосипед")) for name in names]
        self.said: dict[str, list[str]] = {buyer.person.name: [] for buyer in self.people}

    def write(self, count: int) -> None:
        """In turn, each in a second of its own: Avito's times know no less."""
        for number in range(count):
            buyer = self.people[number % len(self.people)]
            text = f"{buyer.person.name} {len(self.said[buyer.person.name]) + 1}"
            self.said[buyer.person.name].append(text)
            buyer.writes(text)
            self.world.avito.clock.advance(1)

    def in_line(self) -> dict[str, list[str]]:
        return {buyer.person.name: self._own(buyer, self.world.in_line(buyer)) for buyer in self.people}

    def in_topics(self) -> dict[str, list[str]]:
        topics = self.world.in_topics()
        return {
            buyer.person.name: self._own(buyer, topics.get(f"{buyer.person.name} · Велосипед", []))
            for buyer in self.people
        }

    def _own(self, buyer: Buyer, texts: list[str]) -> list[str]:
        return [text for text in texts if text.startswith(f"{buyer.person.name} ")]


def test_every_message_is_once_in_each_place_and_in_order() -> None:
    with messengers() as world:
        world.avito.hooks.pause_s = 0.3
        account_id = world.connected(topics=True)["id"]
        crowd, server = Crowd(world), world.server

        world.avito.faults.webhooks_lost = True  # for as long as ten minutes
        crowd.write(3)
        world.avito.clock.advance(600)
        world.avito.faults.webhooks_lost = False
        crowd.write(1)  # one call finds what was lost before it
        is_poked(world, account_id)  # and the poller the rest

        world.avito.faults.double_webhooks(3)
        world.avito.faults.shuffle_webhooks = True
        crowd.write(3)
        is_poked(world, account_id)

        until(lambda: crowd.in_topics() == crowd.said, 90, what="the topics have what was said until now")
        world.telegram.faults.lose("answer", "sendMessage")  # it arrives, and nobody is told
        crowd.write(1)
        until(lambda: crowd.in_topics() == crowd.said, 30, what="the topic has it")

        world.portal.faults.down = True
        world.telegram.faults.down = True
        crowd.write(2)
        time.sleep(1.5)
        server.kill()
        world.portal.faults.down = False
        server.start()
        world.telegram.faults.down = False

        world.avito.faults.down = True
        world.avito.faults.lose_webhooks(1)
        crowd.write(2)
        world.avito.faults.down = False
        is_poked(world, account_id)

        with contextlib.suppress(AssertionError):
            until(lambda: crowd.in_line() == crowd.said and crowd.in_topics() == crowd.said, 90)
        assert (crowd.in_line(), crowd.in_topics()) == (crowd.said, crowd.said)


ON_ITS_WAY = {  # what is found begun when we die, by the side that it goes to
    "line": "SELECT 1 FROM channel_messages WHERE direction = 'in' AND status = 'sending'",
    "avito": "SELECT 1 FROM channel_messages WHERE direction = 'out' AND status = 'sending'",
    "topics": "SELECT 1 FROM channel_posts WHERE direction = 'topic' AND status = 'sending'",
}


def test_whoever_dies_while_sending_to_any_side_sends_everything_once_and_in_order() -> None:
    """Clients, operators in the line and managers in the topics write before each death, and during it."""
    rng = random.Random(11)
    with messengers() as world:
        world.avito.hooks.pause_s = 0.3
        world.connected(topics=True)
        crowd, server = Crowd(world, ("Анна", "Борис")), world.server
        anna, boris = crowd.people
        crowd.write(2)
        until(lambda: crowd.in_line() == crowd.said and crowd.in_topics() == crowd.said, 30, what="both have begun")
        (topic,) = [each for each in world.group.topics if each.name.startswith("Борис")]
        answers: dict[str, list[str]] = {"оператор": [], "менеджер": []}

        def operator_writes() -> None:
            answers["оператор"].append(f"оператор {len(answers['оператор']) + 1}")
            world.portal.operator(27).writes(world.portal_chat(anna), answers["оператор"][-1])

        for side, faults in (
            ("avito", world.avito.faults),
            ("topics", world.telegram.faults),
            ("line", world.portal.faults),
        ):
            faults.latency_s = 0.4
            operator_writes()
            crowd.write(2)
            answers["менеджер"].append(f"менеджер {len(answers['менеджер']) + 1}")
            world.manager.writes(answers["менеджер"][-1], thread=topic)
            until(lambda side=side: server.sql(ON_ITS_WAY[side]), 30, what=f"something is on its way to {side}")
            time.sleep(rng.uniform(0.0, 0.5))
            server.kill()
            operator_writes()
            faults.latency_s = 0.0
            server.start()

        def by(author: str, texts: Sequence[str]) -> list[str]:
            return [line for line in (text.split("\n")[-1] for text in texts) if line.startswith(author)]

        def found() -> list[object]:
            shown = [[message.text for message in buyer.shown] for buyer in crowd.people]
            topics = world.in_topics()
            return [
                crowd.in_line(),
                crowd.in_topics(),
                [by(name, texts) for name, texts in zip(crowd.said, shown, strict=True)],
                by("оператор", shown[0]),
                by("оператор", topics["Анна · Велосипед"]),
                by("менеджер", shown[1]),
                by("менеджер", world.in_line(boris)),
            ]

        operators, managers = answers["оператор"], answers["менеджер"]
        wanted = [crowd.said, crowd.said, list(crowd.said.values()), operators, operators, managers, managers]
        with contextlib.suppress(AssertionError):
            until(lambda: found() == wanted, 90)
        time.sleep(1.0)  # what comes twice comes now
        assert found() == wanted
