"""The Bot API as a bot meets it on an ordinary day."""

from __future__ import annotations

import threading

from python_bot.simulator.telegram import PNG


def test_the_token_is_looked_at_first(telegram, api, bot):
    me = api("getMe").result
    assert (me["id"], me["is_bot"], me["username"]) == (bot.id, True, bot.username)
    assert api.get("/bot1:short/getMe")[0] == 401
    assert api.get("/botnonsense/getMe")[0] == 404
    assert api("getNobody").refusal == (404, "Not Found: method not found")
    old = bot.token
    telegram.revoke(bot)
    assert api.get(f"/bot{old}/getMe")[0] == 401


def test_what_a_client_writes_comes_until_it_is_confirmed(telegram, api, bot, olga):
    olga.writes("Здравствуйте! 😀 /start")
    first = api("getUpdates").result
    message = first[0]["message"]
    assert message["text"] == "Здравствуйте! 😀 /start"
    assert message["entities"] == [{"type": "bot_command", "offset": 17, "length": 6}]
    assert message["from"]["id"] == message["chat"]["id"] == olga.id
    olga.writes("Есть кто?")
    assert api("getUpdates", timeout=1).result[0]["update_id"] == first[0]["update_id"]
    assert [update["message"]["text"] for update in api("getUpdates", offset=first[0]["update_id"] + 1).result] == [
        "Есть кто?"
    ]
    assert len(telegram.pending(bot)) == 1


def test_a_long_poll_ends_when_something_comes(telegram, api, bot, olga):
    threading.Timer(0.1, olga.writes, ["поздно"]).start()
    assert api("getUpdates", timeout=20).result[0]["message"]["text"] == "поздно"


def test_an_answer_is_shown_to_the_client(api, olga):
    question = olga.writes("Есть в наличии?")
    answer = api(
        "sendMessage",
        chat_id=olga.id,
        text="<b>Да</b> &amp; ещё",
        parse_mode="HTML",
        reply_parameters={"message_id": question.message_id, "quote": "в наличии"},
    ).result
    assert answer["text"] == "Да & ещё"
    assert answer["entities"] == [{"type": "bold", "offset": 0, "length": 2}]
    assert answer["reply_to_message"]["message_id"] == question.message_id
    assert answer["quote"]["position"] == 5
    assert [message.text for message in olga.shown] == ["Есть в наличии?", "Да & ещё"]


def test_files_go_both_ways(api, olga):
    olga.sends_photo(PNG, caption="вот фото")
    sizes = api("getUpdates").result[0]["message"]["photo"]
    assert [size["width"] for size in sizes] == [90, 320, 640]
    path = api("getFile", file_id=sizes[-1]["file_id"]).result["file_path"]
    assert api.get(f"/file/bot{api.token}/{path}")[:2] == (200, PNG)

    sent = api("sendPhoto", files={"photo": ("pic.png", PNG, "image/png")}, chat_id=olga.id, caption="наше").result
    assert sent["caption"] == "наше" and sent["photo"][-1]["file_size"] == len(PNG)
    api("sendDocument", files={"document": ("Счёт № 1.pdf", b"%PDF", "application/pdf")}, chat_id=olga.id)
    again = api("sendDocument", chat_id=olga.id, document=olga.shown[-1].content["document"]["file_id"]).result
    assert again["document"]["file_name"] == "Счёт № 1.pdf"
    assert [message.kind for message in olga.shown] == ["photo", "photo", "document", "document"]


def test_parameters_come_in_any_form(api, olga):
    form = f"chat_id={olga.id}&text=a%2Bb".encode()
    assert api.send("sendmessage", form, "application/x-www-form-urlencoded").result["text"] == "a+b"
    assert api.send(f"SendMessage?chat_id={olga.id}&text=c", verb="GET").result["text"] == "c"


def test_one_person_may_be_in_several_chats(telegram, bot, api, olga):
    other = telegram.add_bot("Other")
    telegram.same_client(olga, other).writes("другому боту")
    group = telegram.group(bot)
    group.joins(olga).writes("в группе")
    olga.writes("лично")
    found = [update["message"] for update in api("getUpdates").result]
    assert [(message["from"]["id"], message["chat"]["id"]) for message in found] == [
        (olga.id, group.id),
        (olga.id, olga.id),
    ]
    assert [update.payload["text"] for update in telegram.pending(other)] == ["другому боту"]
