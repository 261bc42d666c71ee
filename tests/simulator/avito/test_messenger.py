"""Avito's messenger as a program meets it on an ordinary day."""

from __future__ import annotations

from urllib.parse import quote

from python_bot.simulator.pictures import PNG, png

CHATS = "/messenger/v2/accounts/{u}/chats"


def of(chat, ending=""):
    """A path below a chat; ids have characters that paths do not."""
    return "/messenger/v1/accounts/{u}/chats/" + quote(chat.id, safe="") + ending


def list_of(chat):
    return "/messenger/v3/accounts/{u}/chats/" + quote(chat.id, safe="") + "/messages/"


def test_a_token_lives_a_day(avito, api, shop):
    assert api("GET", "/core/v1/accounts/self").ok["id"] == shop.user_id
    assert api.ask_token(client_secret="wrong").body["error"] == "invalid_client"
    avito.build.token_error_status = 200
    assert "access_token" not in api.ask_token(client_secret="wrong").ok
    avito.clock.advance(86400)
    assert api("GET", "/core/v1/accounts/self").status == 403
    avito.build.expired_status = 401
    assert api("GET", "/core/v1/accounts/self").status == 401
    api.token = api.ask_token().ok["access_token"]
    assert api("GET", "/core/v1/accounts/self").status == 200


def test_chats_are_paged_and_filtered(avito, api, shop, ivan):
    ivan.writes("Торг уместен?")
    avito.clock.advance(5)
    shop.buyer("Пётр").writes("Пишу через профиль")
    avito.clock.advance(5)
    shop.avito_says("[Системное сообщение] Новые правила")
    found = api("GET", CHATS).ok["chats"]
    assert [chat["last_message"]["content"]["text"] for chat in found] == ["Торг уместен?"]
    assert found[0]["context"]["value"]["title"] == "Велосипед горный"
    assert [user["name"] for user in found[0]["users"]] == ["Демо Магазин", "Иван"]
    every = api("GET", CHATS, chat_types="u2i,u2u,a2u").ok["chats"]
    assert [chat["id"][:3] for chat in every] == ["a2u", "u2u", "u2i"]
    assert len(api("GET", CHATS, chat_types="u2i,u2u,a2u", limit=1, offset=1).ok["chats"]) == 1
    assert api("GET", CHATS, limit=101).status == api("GET", CHATS, offset=1001).status == 400
    assert api("POST", of(ivan.chat, "/read")).ok
    assert api("GET", CHATS, unread_only="true").ok["chats"] == []


def test_messages_are_the_newest_first_and_come_in_two_shapes(avito, api, shop, ivan):
    first = ivan.writes("Здравствуйте!")
    shop.writes(ivan.chat, "Добрый день")
    ivan.writes("Вы где?", quoted=first)
    page = api("GET", list_of(ivan.chat), limit=2).ok
    assert page["meta"] == {"has_more": True}
    assert [(message["content"]["text"], message["direction"]) for message in page["messages"]] == [
        ("Вы где?", "in"),
        ("Добрый день", "out"),
    ]
    assert page["messages"][0]["quote"]["id"] == first.id
    avito.build.bare_messages = True
    assert len(api("GET", list_of(ivan.chat)).ok) == 3


def test_text_and_images_go_out(avito, api, ivan):
    text = {"type": "text", "message": {"text": "Да, торг есть"}}
    assert api("POST", of(ivan.chat, "/messages"), text).ok.keys() == {"id", "created", "direction", "type", "content"}
    uploaded = api.upload(png(1280, 960)).ok
    (image_id,) = uploaded
    sent = api("POST", of(ivan.chat, "/messages/image"), {"image_id": image_id}).ok
    assert [message.type for message in ivan.shown] == ["text", "image"]
    address = next(iter(sent["content"]["image"]["sizes"].values()))
    assert api("GET", address.removeprefix(avito.url)).body == png(1280, 960)

    assert api("POST", of(ivan.chat, "/messages"), {"type": "text", "message": {"text": "я" * 1000}}).status == 200
    for wrong in ({"text": "я" * 1001}, {"text": " "}, {}):
        refusal = api("POST", of(ivan.chat, "/messages"), {"type": "text", "message": wrong})
        assert refusal.status == 400 and "message.text" in refusal.body["error"]["fields"]
    assert api("POST", of(ivan.chat, "/messages/image"), {"image_id": "no"}).status == 400
    assert api.upload(b"RIFF....WEBPVP8 ").status == api.upload(b"<svg/>").status == 400
    assert api.upload(PNG, "uploadfile").status == 400


def test_deletion_is_a_post_and_lasts_an_hour(avito, api, ivan):
    sent = [api("POST", of(ivan.chat, "/messages"), {"type": "text", "message": {"text": text}}).ok for text in "ab"]
    assert api("DELETE", of(ivan.chat, f"/messages/{sent[0]['id']}")).status == 404
    assert api("POST", of(ivan.chat, f"/messages/{sent[0]['id']}")).ok == {}
    assert [message.text for message in ivan.shown] == ["b"]
    assert api("GET", list_of(ivan.chat)).ok["messages"][1]["type"] == "deleted"
    foreign = ivan.writes("моё")
    assert api("POST", of(ivan.chat, f"/messages/{foreign.id}")).status == 403
    avito.clock.advance(3601)
    assert api("POST", of(ivan.chat, f"/messages/{sent[1]['id']}")).status == 400


def test_a_voice_can_be_fetched_for_an_hour(avito, api, ivan):
    voice_id = ivan.sends_voice(b"opus").content["voice"]["voice_id"]
    urls = api("GET", "/messenger/v1/accounts/{u}/getVoiceFiles", voice_ids=voice_id).ok["voices_urls"]
    path = urls[voice_id].removeprefix(avito.url)
    assert api("GET", path).body == b"opus"
    avito.clock.advance(3601)
    assert api("GET", path).status == 403


def test_reading_is_seen_on_both_sides(api, ivan):
    ivan.writes("Здравствуйте!")
    assert api("POST", of(ivan.chat, "/messages"), {"type": "text", "message": {"text": "Добрый день"}}).ok
    before = api("GET", list_of(ivan.chat)).ok["messages"]
    assert [message["is_read"] for message in before] == [True, False] and before[0]["read"] is None
    ivan.reads()
    assert api("POST", of(ivan.chat, "/read")).ok
    after = api("GET", list_of(ivan.chat)).ok["messages"]
    assert after[0]["read"] and after[1]["is_read"]


def test_tariff_and_rights_are_told_apart(avito, api, shop, ivan):
    shop.stops_paying()
    assert api("GET", CHATS).body["error"]["code"] == 402
    assert api("GET", "/core/v1/accounts/self").status == 200
    shop.stops_paying(False)
    shop.loses_rights()
    assert api("POST", "/messenger/v3/webhook", {"url": "https://bot.example.org/x"}).status == 403
    assert api("GET", "/order-management/1/orders").status == 403
    shop.loses_rights(False)
    other = avito.add_shop("Другой")
    assert api("GET", f"/messenger/v2/accounts/{other.user_id}/chats").status == 403
    assert api("GET", of(other.buyer("Х").chat)).status == 404


def test_too_many_requests_are_refused_for_a_while(avito, api, monkeypatch):
    began = avito.clock.now()
    monkeypatch.setattr(avito.clock, "now", lambda: began + avito.clock._ahead_s)  # a slow machine changes no count
    avito.limit.depth = 3
    answers = [api("GET", "/core/v1/accounts/self") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].headers["Retry-After"] == "1"
    avito.clock.advance(1)
    assert api("GET", "/core/v1/accounts/self").status == 200


def test_an_account_may_lose_its_key_and_its_webhooks(avito, api, shop):
    api("POST", "/messenger/v3/webhook", {"url": "https://bot.example.org/x"})
    shop.loses_tokens()
    assert api("GET", CHATS).status == 403
    old = shop.secrets[1]
    assert shop.changes_secret() == shop.secrets[1] != old
    assert api.ask_token(client_secret=old).status == 401
    api.token = api.ask_token().ok["access_token"]
    shop.forget_webhooks()
    assert api("POST", "/messenger/v1/subscriptions").ok == {"subscriptions": []}
    assert avito.tokens_issued == 2


def test_one_person_may_have_several_chats_and_no_name_in_them(avito, api, shop, ivan):
    other = avito.add_shop("Другой")
    again = other.same_buyer(ivan, other.item("Самокат"))
    profile = shop.same_buyer(ivan)
    assert len({ivan.chat.id, again.chat.id, profile.chat.id}) == 3
    ivan.writes("кто я?")
    ivan.leaves_the_list()
    (chat,) = api("GET", CHATS).ok["chats"]
    assert [user["id"] for user in chat["users"]] == [shop.user_id]
    assert chat["last_message"]["author_id"] == ivan.person.user_id
