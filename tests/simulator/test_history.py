"""Reading a conversation back."""

from __future__ import annotations

import pytest


@pytest.fixture
def talk(portal, b24, bot):
    """A conversation with a file, an edit and an operator; returns its first message."""
    client = portal.client("Анна Смирнова", external_id="209607941")
    first = client.writes("Добрый день!\nЦена 1+1 & доставка? 👍")
    client.writes(files=[portal.file("чек №7.jpg", b"jpeg")], external_id="88")
    b24.hand_over(first)
    answer = portal.operator(27).writes(first.chat_id, "ответ")
    portal.operator(27).edits(answer, "лучший ответ")
    return first


def test_history_holds_every_message_newest_first_with_mangled_keys(portal, b24, talk):
    history = b24("imopenlines.session.history.get", SESSION_ID=talk.session_id).result
    truth = portal.history(talk.session_id)
    assert list(history["message"]) == [str(message.message_id) for message in reversed(truth)]
    assert history["usersMessage"]["chat1763"] == list(history["message"])
    oldest = history["message"][str(talk.message_id)]
    assert set(oldest) == {"id", "chatid", "senderid", "recipientid", "date", "text", "textlegacy", "params"}
    assert (oldest["id"], oldest["senderid"], oldest["params"]) == (str(talk.message_id), "744", [])
    assert oldest["textlegacy"] == "Добрый день!<br />Цена 1+1 &amp; доставка? 👍"
    picture = history["message"][str(truth[1].message_id)]
    assert picture["params"] == {"fileId": [5437], "connectorMid": ["88"]}
    assert "urldownload" in history["files"]["5437"]
    assert history["users"]["744"]["connector"] is True
    edited = next(iter(history["message"].values()))
    assert (edited["text"], edited["params"]) == ("лучший ответ", {"isEdited": "Y"})


def test_history_can_be_asked_by_chat(portal, b24, talk):
    portal.operator(27).finishes(talk.chat_id)
    later = portal.client("Анна Смирнова", external_id="209607941").writes("снова я")
    assert b24("imopenlines.session.history.get", CHAT_ID=talk.chat_id).result["sessionId"] == later.session_id


def test_history_is_for_administrators_and_the_operator(portal, app, helpers, talk):
    portal.add_user(31, "Мария Котова")
    portal.line(3).queue = [27, 31]
    ask = {"SESSION_ID": talk.session_id}
    assert helpers.Bitrix(portal, app, 27)("imopenlines.session.history.get", **ask).status == 200
    assert helpers.Bitrix(portal, app, 31)("imopenlines.session.history.get", **ask).error == (400, "ACCESS_DENIED")


@pytest.mark.parametrize(
    ("ask", "error"),
    [({}, "MISSING_REQUIRED_PARAM"), ({"SESSION_ID": "x"}, "INVALID_SESSION_ID"), ({"SESSION_ID": 9}, "ACCESS_DENIED")],
)
def test_history_refuses_what_it_does_not_know(b24, ask, error):
    assert b24("imopenlines.session.history.get", **ask).error == (400, error)


def test_a_conversation_without_files_has_empty_lists_for_maps(portal, b24, bot):
    message = portal.client("Анна").writes("привет")
    history = b24("imopenlines.session.history.get", SESSION_ID=message.session_id).result
    assert (history["files"], history["chat"], history["openlines"]) == ([], [], [])


def test_messages_are_read_forward_and_backward_by_fifty(portal, b24, bot):
    client = portal.client("Анна")
    sent = [client.writes(f"сообщение {n}") for n in range(60)]
    dialog = {"DIALOG_ID": f"chat{sent[0].chat_id}"}
    page = b24("im.dialog.messages.get", **dialog, FIRST_ID=sent[0].message_id, LIMIT=100).result["messages"]
    assert {row["id"] for row in page} == {message.message_id for message in sent[1:51]}
    page = b24("im.dialog.messages.get", **dialog, LAST_ID=sent[5].message_id).result["messages"]
    assert [row["id"] for row in page] == [message.message_id for message in reversed(sent[:5])]
    assert len(b24("im.dialog.messages.get", **dialog).result["messages"]) == 20
    assert b24("im.dialog.messages.get", **dialog, FIRST_ID="abc").error == (400, "FIRST_ID_STRING")


def test_message_rows_have_numbers_and_upper_case_params(b24, talk):
    answer = b24("im.dialog.messages.get", DIALOG_ID="chat1763", LIMIT=50).result
    row = next(row for row in answer["messages"] if row["params"] and "FILE_ID" in row["params"])
    assert row["params"] == {"FILE_ID": [5437], "CONNECTOR_MID": ["88"]}
    assert answer["messages"][-1]["params"] == []
    assert {user["id"] for user in answer["users"]} == {27, 744}


def test_a_deleted_message_stays_in_history_without_its_text(portal, b24, talk):
    client = portal.client("Анна Смирнова", external_id="209607941")
    client.deletes(talk)
    row = b24("imopenlines.session.history.get", SESSION_ID=talk.session_id).result["message"][str(talk.message_id)]
    assert (row["text"], row["params"]) == ("", {"isDeleted": "Y"})
    assert portal.history(talk.session_id)[0].text.startswith("Добрый день")


def test_a_dialog_can_be_found_by_any_of_its_names(b24, talk):
    by_chat = b24("imopenlines.dialog.get", CHAT_ID=talk.chat_id).result
    entity = "telegrambot|3|209607941|744"
    assert by_chat["entity_id"] == entity
    assert b24("imopenlines.dialog.get", SESSION_ID=talk.session_id).result == by_chat
    assert b24("imopenlines.dialog.get", USER_CODE=f"imol|{entity}").result == by_chat
    assert b24("im.dialog.get", DIALOG_ID="chat1763").result == by_chat
    assert b24("im.chat.get", ENTITY_TYPE="LINES", ENTITY_ID=entity).result == {"ID": 1763}
    assert b24("im.chat.get", ENTITY_TYPE="LINES", ENTITY_ID="x").result is None
    assert b24("imopenlines.session.open", USER_CODE=entity).result == {"chatId": "1763"}


def test_the_operator_works_through_rest_too(portal, app, helpers, bot):
    operator = helpers.Bitrix(portal, app, 27)
    message = portal.client("Анна").writes("привет")
    assert operator("imopenlines.operator.answer", CHAT_ID=message.chat_id).result is True
    assert portal.chat(message.chat_id).operator_id == 27
    assert operator("im.message.add", DIALOG_ID=f"chat{message.chat_id}", MESSAGE="слушаю").result > 0
    assert operator("im.recent.list").result["items"][0]["message"]["text"] == "слушаю"
    assert operator("imopenlines.operator.finish", CHAT_ID=message.chat_id).result is True
    assert portal.chat(message.chat_id).session.closed


def test_closing_a_session_takes_its_number_out_of_the_card(portal, b24, bot):
    message = portal.client("Анна").writes("привет")
    card = {"CHAT_ID": message.chat_id}
    running = b24("imopenlines.dialog.get", **card).result["entity_data_1"].split("|")
    assert running[5] == str(message.session_id)
    portal.operator(27).finishes(message.chat_id)
    assert b24("imopenlines.dialog.get", **card).result["entity_data_1"].split("|")[5] == "0"
    portal.reopen(message.session_id)
    assert b24("imopenlines.dialog.get", **card).result["entity_data_1"].split("|")[5] == str(message.session_id)


def test_recent_chats_come_newest_first_in_pages_with_their_sessions(portal, app, helpers, bot):
    operator = helpers.Bitrix(portal, app, 27)
    chats = []
    for number in range(5):
        chats.append(portal.client(f"Клиент {number}", external_id=f"r{number}").writes("привет").chat_id)
        portal.operator(27).writes(chats[-1], "слушаю")
    page = operator("im.recent.list", LIMIT=2, OFFSET=2).result
    assert [item["chat_id"] for item in page["items"]] == [chats[2], chats[1]]
    assert page["hasMore"] is True
    assert [item["lines"]["id"] for item in page["items"]] == [
        portal.chat(chat_id).session.session_id for chat_id in (chats[2], chats[1])
    ]
    assert operator("im.recent.list", OFFSET=4).result["hasMore"] is False
    assert operator("im.recent.list", LIMIT=9999).result["items"][0]["chat"]["entity_type"] == "LINES"
    assert operator("im.recent.list", SKIP_OPENLINES="Y").result["items"] == []
