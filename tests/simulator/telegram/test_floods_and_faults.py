"""Floods are counted, and what goes wrong is what a test asked for."""

from __future__ import annotations

import time

import pytest

from python_bot.simulator.pictures import PNG


def send(api, chat_id, count):
    return [api("sendMessage", chat_id=chat_id, text=str(number)) for number in range(count)]


def test_a_chat_takes_a_burst_and_then_one_a_second(still, telegram, api, olga):
    answers = send(api, olga.id, 8)
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
    assert answers[5].refusal == (429, "Too Many Requests: retry after 1")
    assert answers[5].body["parameters"] == {"retry_after": 1} and answers[5].headers["Retry-After"] == "1"
    telegram.clock.advance(1)
    assert [answer.status for answer in send(api, olga.id, 2)] == [200, 429]
    assert telegram.flood.refused == 4 and len(olga.shown) == 6


def test_a_group_takes_twenty_a_minute_topics_and_edits_too(still, telegram, api, bot):
    group = telegram.group(bot)
    topic = api("createForumTopic", chat_id=group.id, name="x").result["message_thread_id"]
    sent = api("sendMessage", chat_id=group.id, message_thread_id=topic, text="x").result["message_id"]
    assert api("editMessageText", chat_id=group.id, message_id=sent, text="y").status == 200
    assert [answer.status for answer in send(api, group.id, 18)] == [200] * 17 + [429]
    telegram.clock.advance(3)
    assert [answer.status for answer in send(api, group.id, 2)] == [200, 429]
    assert api("createForumTopic", chat_id=group.id, name="x").status == 429
    assert api("sendChatAction", chat_id=group.id, action="typing").status == 200


def test_all_chats_together_take_thirty_a_second(still, telegram, api, bot):
    clients = [telegram.client(bot, f"Клиент {number}") for number in range(35)]
    statuses = [api("sendMessage", chat_id=client.id, text="x").status for client in clients]
    assert statuses == [200] * 30 + [429] * 5


def test_an_album_counts_as_its_parts(still, telegram, api, olga):
    photo = api("sendPhoto", files={"photo": ("a.png", PNG, "image/png")}, chat_id=olga.id).result["photo"][-1]
    media = [{"type": "photo", "media": photo["file_id"]}] * 4
    assert api("sendMediaGroup", chat_id=olga.id, media=media).status == 200
    assert api("sendMessage", chat_id=olga.id, text="x").status == 429


def test_answers_that_a_test_asks_for(telegram, api, olga):
    telegram.faults.flood(17)
    assert api("sendMessage", chat_id=olga.id, text="x").body["parameters"] == {"retry_after": 17}
    telegram.faults.break_down("sendMessage")
    assert api("getMe").status == 200
    assert api("sendMessage", chat_id=olga.id, text="x").refusal == (500, "Internal Server Error")
    telegram.faults.refuse("", 401, "Unauthorized")
    assert api("getMe").status == 401
    telegram.faults.html(502)
    assert api.get(f"/bot{api.token}/getMe")[0] == 502
    assert olga.shown == []


def test_a_lost_answer_is_not_a_lost_message(telegram, api, olga):
    for lost, shown in (("request", []), ("answer", ["дошло"])):
        telegram.faults.lose(lost, "sendMessage")
        with pytest.raises(OSError):
            api("sendMessage", chat_id=olga.id, text="дошло")
        assert [message.text for message in olga.shown] == shown
    assert [call.status for call in telegram.calls] == [0, 200]


def test_a_server_that_is_away_or_silent(telegram, api, olga):
    telegram.faults.down = True
    with pytest.raises(OSError):
        api("getMe")
    telegram.faults.down = False
    assert api("getMe").status == 200
    telegram.faults.latency_s = 0.1
    began = time.monotonic()
    assert api("getMe").status == 200 and time.monotonic() - began >= 0.1


def test_a_download_may_end_too_early(telegram, api, olga):
    olga.sends_document("a.bin", bytes(1000))
    path = api("getFile", file_id=api("getUpdates").result[0]["message"]["document"]["file_id"]).result["file_path"]
    telegram.faults.cut_download(after=100)
    with pytest.raises(Exception, match="IncompleteRead"):
        api.get(f"/file/bot{api.token}/{path}")
    assert len(api.get(f"/file/bot{api.token}/{path}")[1]) == 1000
    assert api.get(f"/file/bot{api.token}/documents/../{path}")[0] == 404


def test_a_local_server_names_a_path(olga):
    from python_bot.simulator.telegram import TelegramServer

    from .conftest import Api

    with TelegramServer(local=True) as telegram:
        bot = telegram.add_bot()
        telegram.client(bot, "Ольга").sends_document("a.bin", bytes(21 << 20))
        api = Api(telegram, bot.token)
        found = api("getFile", file_id=api("getUpdates").result[0]["message"]["document"]["file_id"]).result
        with open(found["file_path"], "rb") as file:  # noqa: PTH123  # a path as the answer has it
            assert len(file.read()) == 21 << 20
        assert api.get(f"/file/bot{bot.token}{found['file_path']}")[0] == 404
        assert api("setWebhook", url="http://10.0.0.1:8080/x").status == 200
