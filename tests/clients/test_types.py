"""Every answer of the simulated messenger, and every recorded update, satisfies aiogram's models of the Bot API."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

from python_bot.simulator.pictures import PNG
from python_bot.simulator.telegram import Attachment
from python_bot.simulator.telegram.methods import METHODS

FIXTURES = Path(__file__).parents[1] / "fixtures" / "telegram"
# Made so that nobody knows them: what has to be lived with.
UNKNOWN = {"unknown__future_kind", "future__update", "forward__unknown_origin"}


class Api:
    def __init__(self, telegram, bot):
        self.telegram, self.bot = telegram, bot

    def __call__(self, method, file=None, **params):
        body, kind = json.dumps(params).encode(), "application/json"
        if file is not None:
            name, file_name, content = file
            kind = "multipart/form-data; boundary=b"
            body = b"".join(
                f'--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n'.encode()
                + (value if isinstance(value, str) else json.dumps(value)).encode()
                + b"\r\n"
                for key, value in params.items()
            )
            body += f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n\r\n'.encode()
            body += content + b"\r\n--b--\r\n"
        connection = http.client.HTTPConnection(self.telegram.url.removeprefix("http://"), timeout=20)
        try:
            connection.request("POST", f"/bot{self.bot.token}/{method}", body, {"Content-Type": kind})
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["ok"], answer
        return answer["result"]


def test_recorded_updates(judge):
    updates = [[path.stem, json.loads(path.read_text(encoding="utf-8"))] for path in sorted(FIXTURES.glob("*__*.json"))]
    complaints = judge({"updates": updates})
    assert {text.partition(".")[0] for text in complaints} == UNKNOWN, complaints


def everything_that_people_do(telegram, bot, olga):
    group = telegram.group(bot)
    manager = group.member("Мария")
    message = olga.writes("привет https://example.org /start @shop_news #заказ")
    olga.edits(message, "пока")
    olga.writes("ответ", reply_to=message, quote={"text": "по", "position": 0})
    olga.sends_photo(caption="x")
    olga.sends_document("Счёт.pdf", b"%PDF", "application/pdf")
    for send in (olga.sends_video, olga.sends_voice, olga.sends_video_note, olga.sends_audio, olga.sends_animation):
        send()
    for name in ("a.webp", "a.tgs", "a.webm"):
        olga.sends_sticker(name)
    olga.sends_album(Attachment("photo"), Attachment("video", b"v", "v.mp4", "video/mp4", "подпись"))
    olga.sends_location()
    olga.sends_contact()
    olga.blocks_bot()
    olga.unblocks_bot()
    topic = group.begins_topic(manager, "Иван")
    manager.writes("в теме", thread=topic)
    group.closes(topic, manager)
    group.reopens(topic, manager)
    group.set_bot(bot, "restricted", may_write=False)
    group.set_bot(bot, "kicked")
    group.set_bot(bot, "administrator", ("can_manage_topics",))
    olga.presses(olga.shown[0], "data")
    old = telegram.group(bot, "Старая", forum=False, kind="group")
    old.becomes_supergroup()


def every_method(telegram, bot, olga):
    api = Api(telegram, bot)
    group = telegram.group(bot)
    query = olga.presses(olga.writes("?"), "data")
    api("getMe"), api("getUpdates", limit=2), api("getWebhookInfo")
    api("setMyCommands", commands=[{"command": "start", "description": "Начать"}])
    api("getMyCommands"), api("deleteMyCommands")
    api("answerCallbackQuery", callback_query_id=query)
    text = api(
        "sendMessage", chat_id=olga.id, text="<b>раз</b> <a href='https://example.org'>два</a>", parse_mode="HTML"
    )
    here = {"chat_id": olga.id, "message_id": text["message_id"]}
    button = {"inline_keyboard": [[{"text": "Да", "callback_data": "yes"}]]}
    api("editMessageText", text="два", **here), api("editMessageReplyMarkup", reply_markup=button, **here)
    api("setMessageReaction", reaction=[{"type": "emoji", "emoji": "👍"}], **here)
    api("forwardMessage", from_chat_id=olga.id, **here), api("copyMessage", from_chat_id=olga.id, **here)
    photo = api("sendPhoto", ("photo", "a.png", PNG), chat_id=olga.id, caption="было")
    there = {"chat_id": olga.id, "message_id": photo["message_id"]}
    api("editMessageCaption", caption="стало", **there)
    api("editMessageMedia", ("new", "b.png", PNG), media={"type": "photo", "media": "attach://new"}, **there)
    for kind in ("Document", "Video", "Audio", "Voice", "Animation", "VideoNote", "Sticker"):
        name = "video_note" if kind == "VideoNote" else kind.lower()
        api(f"send{kind}", (name, {"Sticker": "a.webp"}.get(kind, "a.bin"), b"content"), chat_id=olga.id)
    size = photo["photo"][-1]["file_id"]
    api("getFile", file_id=size)
    api("sendMediaGroup", chat_id=olga.id, media=[{"type": "photo", "media": size}, {"type": "photo", "media": size}])
    place = {"latitude": 55.75, "longitude": 37.62}
    api("sendLocation", chat_id=olga.id, **place)
    api("sendVenue", chat_id=olga.id, title="Склад", address="ул. Примерная, 1", **place)
    api("sendContact", chat_id=olga.id, phone_number="+79990000000", first_name="Пётр")
    api("sendPoll", chat_id=olga.id, question="?", options=[{"text": "да"}, {"text": "нет"}])
    api("sendDice", chat_id=olga.id), api("sendChatAction", chat_id=olga.id, action="typing")
    api("deleteMessage", **here), api("deleteMessages", chat_id=olga.id, message_ids=[photo["message_id"], 999])
    topic = {
        "chat_id": group.id,
        "message_thread_id": api("createForumTopic", chat_id=group.id, name="И")["message_thread_id"],
    }
    in_topic = api("sendMessage", text="в теме", **topic)
    api("pinChatMessage", chat_id=group.id, message_id=in_topic["message_id"])
    api("editForumTopic", name="Иван", **topic), api("closeForumTopic", **topic), api("reopenForumTopic", **topic)
    api("unpinAllForumTopicMessages", **topic), api("deleteForumTopic", **topic)
    api("closeGeneralForumTopic", chat_id=group.id), api("reopenGeneralForumTopic", chat_id=group.id)
    api("getForumTopicIconStickers")
    api("getChat", chat_id=group.id), api("getChat", chat_id=olga.id), api("getChatAdministrators", chat_id=group.id)
    api("getChatMember", chat_id=group.id, user_id=bot.id), api("getChatMemberCount", chat_id=group.id)
    api("leaveChat", chat_id=group.id)
    api("setWebhook", url="http://127.0.0.1:9/x", allowed_updates=["message"]), api("getWebhookInfo")
    api("deleteWebhook"), api("close"), api("logOut")


def test_every_answer_and_every_update(telegram, bot, olga, judge):
    everything_that_people_do(telegram, bot, olga)
    updates = [[update.kind, update.wire()] for update in telegram.pending(bot)]
    assert {kind for kind, _ in updates} == {"message", "edited_message", "my_chat_member", "callback_query"}
    every_method(telegram, bot, olga)
    calls = [[call.method, call.result] for call in telegram.calls]
    assert {method.lower() for method, _ in calls} == METHODS.keys()
    assert judge({"updates": updates, "calls": calls}) == []


def test_the_judge_is_strict(judge):
    whole = {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}}
    calls = [["sendMessage", whole], ["sendMessage", {"message_id": 1}], ["sendMessage", whole | {"x": 2}]]
    complaints = judge({"calls": calls})
    assert any("Field required" in text for text in complaints) and "sendMessage.x is not a field" in complaints
