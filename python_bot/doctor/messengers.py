"""Accounts of messengers: what the archive has of them, and what their messengers say of their way to us."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ..channels.base import TellsHook
from ..channels.registry import BUILT_IN, Registry
from ..channels.store import Held
from ..errors import B24BotError, DeliveryFailed
from .facts import AccountHook, AccountState, Subject
from .together import together

MOST: Final = 20  # accounts whose messengers are asked
ANSWER_S: Final = 4.0


def told(held: Held, waiting: int) -> AccountState:
    account = held.account
    return AccountState(
        account_id=account.id,
        channel=account.channel,
        name=account.identity.name,
        state=account.state,
        problem=account.problem,
        line_id=account.line_id,
        line_problem=held.line_problem,
        connector_id=held.connector_id,
        waiting=waiting,
    )


def connectors(accounts: Sequence[Held]) -> dict[str, int]:
    """Of those that are to be on a line -> the line."""
    lines = {held.connector_id: held.account.line_id for held in accounts if held.account.state != "off"}
    return {connector: line_id for connector, line_id in lines.items() if line_id is not None and connector}


def ask(subject: Subject, accounts: Sequence[Held], within_s: float = ANSWER_S) -> dict[int, AccountHook]:
    """By number; who did not answer in time is missing. Only messengers of this program: others are strangers' code."""
    public_url = subject.wish.public_url.removesuffix("python_bot/")
    registry = Registry(subject.name, public_url, {}, subject.channel_urls)

    def question(held: Held) -> Callable[[], AccountHook]:
        def ask() -> AccountHook:
            channel = registry.load(held.account.channel)
            if not isinstance(channel, TellsHook):
                return AccountHook()
            try:
                return AccountHook(channel.hook_state(held.account))
            except DeliveryFailed as error:
                return AccountHook(problem=str(error))
            except B24BotError:
                return AccountHook()

        return ask

    asked = [held for held in accounts if held.account.state != "off" and held.account.channel in BUILT_IN][:MOST]
    found = together({str(held.account.id): question(held) for held in asked}, within_s)
    return {int(number): answer for number, answer in found.items()}
