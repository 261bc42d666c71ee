"""A bot of python-telegram-bot that does what bots do, until it is told 'стоп'. Arguments: base URL, token, two groups.

Prints what it met: {"files": sizes of what it downloaded, "refusals": names of errors, "topic": its number}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable
from typing import Any

from telegram import InputMediaPhoto, Update
from telegram.error import TelegramError
from telegram.ext import Application, CommandHandler, ContextTypes, MessageHandler, filters

met: dict[str, Any] = {"files": [], "refusals": {}, "topic": 0}
URL, TOKEN, GROUP, OLD_GROUP = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
Context = ContextTypes.DEFAULT_TYPE


async def refusal(name: str, attempt: Awaitable[Any]) -> None:
    try:
        await attempt
        met["refusals"][name] = "none"
    except TelegramError as error:
        met["refusals"][name] = f"{type(error).__name__}: {error.message}"


async def start(update: Update, context: Context) -> None:
    assert update.message is not None
    await update.message.reply_html("<i>Здравствуйте</i>")
    await update.message.reply_location(55.75, 37.62)
    await update.message.reply_contact("79990000000", "Пётр")


async def photo(update: Update, context: Context) -> None:
    assert update.message is not None
    file = await update.message.photo[-1].get_file()
    content = bytes(await file.download_as_bytearray())
    met["files"].append(len(content))
    await update.message.reply_photo(content, caption="назад", filename="назад.png")
    await update.message.reply_media_group([InputMediaPhoto(content), InputMediaPhoto(content)])


async def topics(update: Update, context: Context) -> None:
    bot = context.bot
    topic = await bot.create_forum_topic(GROUP, "Иван - Велосипед")
    met["topic"] = topic.message_thread_id
    await bot.send_message(GROUP, "в теме", message_thread_id=topic.message_thread_id)
    await bot.edit_forum_topic(GROUP, topic.message_thread_id, name="Пётр")
    await bot.close_forum_topic(GROUP, topic.message_thread_id)
    await refusal("closed", bot.send_message(GROUP, "закрыто", message_thread_id=topic.message_thread_id))
    await bot.reopen_forum_topic(GROUP, topic.message_thread_id)
    await refusal("general", bot.send_message(GROUP, "в General", message_thread_id=1))
    rights = await bot.get_chat_member(GROUP, bot.id)
    met["may_manage_topics"] = rights.can_manage_topics  # type: ignore[attr-defined]  # of administrators


async def errors(update: Update, context: Context) -> None:
    bot = context.bot
    await refusal("nobody", bot.send_message(1, "есть кто?"))
    await refusal("migrated", bot.send_message(OLD_GROUP, "есть кто?"))


async def stop(update: Update, context: Context) -> None:
    context.application.stop_running()


async def echo(update: Update, context: Context) -> None:
    if update.message is not None:
        await update.message.reply_text(f"эхо: {update.message.text}", do_quote=True)


def main() -> None:
    app = Application.builder().token(TOKEN).base_url(f"{URL}/bot").base_file_url(f"{URL}/file/bot").build()
    app.add_handler(CommandHandler("start", start))
    app.add_handler(MessageHandler(filters.PHOTO, photo))
    app.add_handler(MessageHandler(filters.Regex("^темы$"), topics))
    app.add_handler(MessageHandler(filters.Regex("^ошибки$"), errors))
    app.add_handler(MessageHandler(filters.Regex("^стоп$"), stop))
    app.add_handler(MessageHandler(filters.TEXT, echo))
    app.run_polling(poll_interval=0, timeout=20, stop_signals=None)
    print(json.dumps(met, ensure_ascii=False))


main()
