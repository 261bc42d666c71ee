"""Bots of aiogram and python-telegram-bot do their ordinary work with the simulated messenger."""

from __future__ import annotations

import socket
import time

from python_bot.simulator.pictures import PNG
from tests.support import until


def seen(client, last, timeout_s=60):
    """What the client sees as soon as the bot has written `last`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        texts = [message.text for message in client.shown if message.by_bot]
        if last in texts:
            return texts
        time.sleep(0.01)
    raise AssertionError([message.text for message in client.shown])


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_aiogram_polls_and_is_called(telegram, bot, olga, run):
    telegram.core.webhooks.timeout_s = 5
    program = run("with_aiogram.py", telegram.url, bot.token, str(free_port()))
    olga.starts("vk_autumn-42")
    seen(olga, "Здравствуйте")
    greeting = olga.shown[-1]
    assert greeting.content["entities"] == [{"type": "bold", "offset": 0, "length": 12}]
    olga.presses(greeting, "yes")
    question = olga.writes("Есть в наличии?")
    seen(olga, "эхо: Есть в наличии?")
    assert olga.shown[-1].reply_to is question
    olga.edits(question, "Ещё есть?")
    olga.sends_photo(PNG)
    seen(olga, "№ 2")
    assert [message.kind for message in olga.shown[-3:]] == ["document", "photo", "photo"]
    assert olga.shown[-3].file.content == PNG and olga.shown[-3].file.name == "обратно.png"
    olga.writes("исправь")
    assert seen(olga, "чистовик")
    olga.writes("ошибки")
    olga.writes("стоп")
    until(
        lambda: any(call.ok for call in telegram.calls_of("setWebhook")),
        timeout_s=60,
        what="aiogram has set its webhook",
    )
    for number in range(20):
        olga.writes(str(number))
    assert seen(olga, "эхо: 19")[-20:] == [f"эхо: {number}" for number in range(20)]
    assert telegram.deliveries and all(delivery.ok for delivery in telegram.deliveries)
    olga.writes("стоп")
    assert program.finish() == {
        "started": "vk_autumn-42",
        "files": [len(PNG)],
        "edits": ["Ещё есть?"],
        "refusals": {
            "same": "TelegramBadRequest",
            "markup": "TelegramBadRequest",
            "long": "TelegramBadRequest",
            "nobody": "TelegramBadRequest",
            "webhook": "TelegramBadRequest",
            "file": "TelegramBadRequest",
        },
        "pressed": "yes",
    }
    assert "лишнее" not in [message.text for message in olga.shown]
    # The webhook went while its last call was being answered.
    assert [update.payload["text"] for update in telegram.pending(bot)] in ([], ["стоп"])


def test_python_telegram_bot(telegram, bot, olga, run):
    group = telegram.group(bot)
    old = telegram.group(bot, forum=False, kind="group")
    new = old.becomes_supergroup()
    telegram.faults.refuse("getUpdates", 502, "Bad Gateway", times=1)
    program = run("with_ptb.py", telegram.url, bot.token, str(group.id), str(old.id))
    olga.starts()
    seen(olga, "Здравствуйте")
    olga.sends_photo(PNG)
    seen(olga, "назад")
    olga.writes("темы")
    olga.writes("ошибки")
    olga.writes("готово?")
    seen(olga, "эхо: готово?")
    olga.writes("стоп")
    met = program.finish()
    assert met["files"] == [len(PNG)] and met["topic"] == group.topics[0].thread_id and met["may_manage_topics"]
    assert [message.text for message in group.shown(met["topic"]) if message.by_bot and message.text] == ["в теме"]
    assert met["refusals"]["closed"].startswith("BadRequest: Topic_closed")
    assert met["refusals"]["general"] == "BadRequest: Message thread not found"
    assert met["refusals"]["nobody"] == "BadRequest: Chat not found"
    assert met["refusals"]["migrated"] == f"ChatMigrated: Group migrated to supergroup. New chat id: {new.id}"
    assert telegram.wait_confirmed(bot, 1)
