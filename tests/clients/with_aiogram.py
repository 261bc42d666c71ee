"""A bot of aiogram that does what bots do. Arguments: base URL, token, a free port.

It asks for updates until it is told 'стоп', and then has them brought to its port until it is told so again.

Prints what it met: {"started": the payload of /start, "files": sizes of downloads, "edits": texts, "refusals": names}.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import Bot, Dispatcher, F
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramAPIError
from aiogram.filters import CommandObject, CommandStart
from aiogram.types import BufferedInputFile, CallbackQuery, InputMediaPhoto, Message, ReplyParameters
from aiogram.utils.keyboard import InlineKeyboardBuilder
from aiogram.webhook.aiohttp_server import SimpleRequestHandler, setup_application
from aiohttp import web

met: dict[str, Any] = {"started": "", "files": [], "edits": [], "refusals": {}, "pressed": ""}
ended = asyncio.Event()
dispatcher = Dispatcher()


async def refusal(name: str, attempt: Callable[[], Awaitable[Any]]) -> None:
    try:
        await attempt()
        met["refusals"][name] = "none"
    except TelegramAPIError as error:
        met["refusals"][name] = type(error).__name__


@dispatcher.message(CommandStart())
async def start(message: Message, command: CommandObject) -> None:
    met["started"] = command.args
    keyboard = InlineKeyboardBuilder()
    keyboard.button(text="Да", callback_data="yes")
    await message.answer("<b>Здравствуйте</b>", parse_mode="HTML", reply_markup=keyboard.as_markup())


@dispatcher.callback_query()
async def pressed(query: CallbackQuery) -> None:
    met["pressed"] = query.data
    await query.answer("принято")


@dispatcher.message(F.photo)
async def photo(message: Message, bot: Bot) -> None:
    assert message.photo is not None
    got = await bot.download(message.photo[-1])
    assert got is not None
    content = got.read()
    met["files"].append(len(content))
    await message.answer_document(BufferedInputFile(content, "обратно.png"), caption="то же самое")
    again = [InputMediaPhoto(media=BufferedInputFile(content, f"{n}.png"), caption=f"№ {n}") for n in (1, 2)]
    await message.answer_media_group([*again])


@dispatcher.message(F.text == "исправь")
async def changes(message: Message) -> None:
    sent = await message.answer("черновик")
    await sent.edit_text("чистовик")
    await refusal("same", lambda: sent.edit_text("чистовик"))
    gone = await message.answer("лишнее")
    await gone.delete()


@dispatcher.message(F.text == "ошибки")
async def errors(message: Message, bot: Bot) -> None:
    chat_id = message.chat.id
    await refusal("markup", lambda: bot.send_message(chat_id, "<br>", parse_mode="HTML"))
    await refusal("long", lambda: bot.send_message(chat_id, "я" * 4097))
    await refusal("nobody", lambda: bot.send_message(1, "есть кто?"))
    await refusal("webhook", lambda: bot.set_webhook("https://bot.example.org:81/x"))
    await refusal("file", lambda: bot.get_file("nothing"))


@dispatcher.message(F.text == "стоп")
async def stop(message: Message) -> None:
    ended.set()


@dispatcher.message()
async def echo(message: Message) -> None:
    await message.answer(f"эхо: {message.text}", reply_parameters=ReplyParameters(message_id=message.message_id))


@dispatcher.edited_message()
async def edited(message: Message) -> None:
    met["edits"].append(message.text)


async def by_webhook(bot: Bot, port: int) -> None:
    app = web.Application()
    SimpleRequestHandler(dispatcher, bot, handle_in_background=False, secret_token="S3cret_demo-1").register(app, "/tg")
    setup_application(app, dispatcher, bot=bot)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await bot.set_webhook(f"http://127.0.0.1:{port}/tg", secret_token="S3cret_demo-1", allowed_updates=["message"])
    await ended.wait()
    await bot.delete_webhook()
    await runner.cleanup()


async def by_polling(bot: Bot) -> None:
    polling = asyncio.create_task(dispatcher.start_polling(bot, handle_signals=False, polling_timeout=20))
    await ended.wait()
    await asyncio.sleep(0.2)  # the next getUpdates has confirmed the last message
    await dispatcher.stop_polling()
    await polling


async def main(url: str, token: str, port: str) -> None:
    async with Bot(token, AiohttpSession(api=TelegramAPIServer.from_base(url))) as bot:
        await by_polling(bot)
        ended.clear()
        await by_webhook(bot, int(port))
    print(json.dumps(met, ensure_ascii=False))


asyncio.run(main(*sys.argv[1:]))
