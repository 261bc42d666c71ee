"""The portal seen by fast_bitrix24, a client that pushes limits hard. It takes any URL: nothing is redirected."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import fast_bitrix24 as fast
import pytest


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(work())


@pytest.fixture
def crowd(portal):
    for number in range(100, 300):
        portal.add_user(number, f"Сотрудник {number}")
    return ["1", "27", *(str(number) for number in range(100, 300))]


def webhook_client(portal, **options):
    hook = portal.add_webhook(1, ("im", "user", "imopenlines", "imbot"))
    return fast.BitrixAsync(hook, verbose=False, **options)


def test_whole_lists_come_in_batches(portal, crowd):
    bitrix = webhook_client(portal)
    users = run(lambda: bitrix.get_all("user.get"))
    assert sorted(int(user["ID"]) for user in users) == sorted(int(user_id) for user_id in crowd)
    assert portal.calls_of("batch")


def test_many_users_are_fetched_by_id(portal, crowd):
    bitrix = webhook_client(portal)
    found = run(lambda: bitrix.get_by_ID("im.user.get", [int(user_id) for user_id in crowd[:120]]))
    assert {int(user_id) for user_id in found} == {int(user_id) for user_id in crowd[:120]}
    assert len(portal.calls_of("batch")) == 3


def test_a_batch_of_its_own(portal):
    bitrix = webhook_client(portal)
    result = run(
        lambda: bitrix.call_batch({"halt": 0, "cmd": {"me": "profile", "card": "im.user.get?ID=$result[me][ID]"}})
    )
    assert result["card"]["name"] == "Олег Админов"


def test_an_expired_token_is_asked_for_again(portal, app):
    asked = []

    async def token() -> str:
        asked.append(1)
        return app.access_token()

    bitrix = fast.BitrixAsync(portal.rest_url, token_func=token, verbose=False)

    async def work() -> list[Any]:
        first = await bitrix.call("profile", raw=True)
        portal.clock.advance(3700)
        return [first, await bitrix.call("profile", raw=True)]

    assert [answer["result"]["ID"] for answer in run(work)] == ["1", "1"]
    assert len(asked) == 2
    assert [call.error for call in portal.calls_of("profile")] == ["", "expired_token", ""]


def test_a_full_bucket_only_slows_it_down(portal):
    portal.limits.bucket.depth = 3
    portal.limits.bucket.drain_per_s = 5
    bitrix = webhook_client(portal)

    async def work() -> list[Any]:
        return [await bitrix.call("server.time", raw=True) for _ in range(8)]

    assert len(run(work)) == 8
    assert portal.limits.refused > 0


def test_dialogs_are_handed_over_in_bulk(portal, b24, bot):
    messages = [portal.client(f"Клиент {n}").writes("привет") for n in range(60)]
    bitrix = webhook_client(portal)
    run(lambda: bitrix.call("imopenlines.bot.session.operator", [{"CHAT_ID": m.chat_id} for m in messages]))
    assert all(portal.handed_over(message.chat_id) for message in messages)
