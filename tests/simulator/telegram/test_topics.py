"""Topics of a group: made, renamed, closed, lost; and the bot's rights in it."""

from __future__ import annotations

import pytest


@pytest.fixture
def group(telegram, bot):
    telegram.flood.enabled = False
    return telegram.group(bot)


@pytest.fixture
def topic(api, group):
    made = api("createForumTopic", chat_id=group.id, name="Иван - Велосипед").result
    return {"chat_id": group.id, "message_thread_id": made["message_thread_id"]}


def test_a_topic_is_filled_and_answered(api, group, topic):
    api("sendMessage", text="Торг уместен?", **topic)
    maria = group.member("Мария")
    maria.writes("Да, торг есть", thread=topic["message_thread_id"])
    maria.writes("не по теме")
    created, answer, general = [update["message"] for update in api("getUpdates").result]
    assert created["forum_topic_created"]["name"] == "Иван - Велосипед" and created["from"]["is_bot"]
    assert answer["is_topic_message"] and answer["message_thread_id"] == topic["message_thread_id"]
    assert answer["reply_to_message"]["message_id"] == topic["message_thread_id"]
    assert "message_thread_id" not in general and "reply_to_message" not in general
    shown = [message.text for message in group.shown(topic["message_thread_id"])]
    assert shown == ["", "Торг уместен?", "Да, торг есть"]


def test_general_is_not_a_thread(api, group):
    assert api("sendMessage", chat_id=group.id, message_thread_id=1, text="x").refusal == (
        400,
        "Bad Request: message thread not found",
    )
    assert api("sendMessage", chat_id=group.id, text="x").status == 200


def test_names_and_colours(api, group, topic):
    assert api("createForumTopic", chat_id=group.id, name="я" * 129).status == 400
    assert api("createForumTopic", chat_id=group.id, name=" ").status == 400
    assert api("createForumTopic", chat_id=group.id, name="x", icon_color=1).status == 400
    assert api("createForumTopic", chat_id=group.id, name="я" * 128, icon_color=16478047).status == 200
    assert api("editForumTopic", name="Иван - Велосипед", **topic).refusal == (400, "Bad Request: TOPIC_NOT_MODIFIED")
    assert api("editForumTopic", name="Пётр", **topic).result is True
    assert group.topics[0].name == "Пётр"


def test_closed_and_opened_again(telegram, api, group, topic):
    maria = group.member("Мария", "administrator")
    group.closes(group.topics[0], maria)
    assert api("sendMessage", text="x", **topic).refusal == (400, "Bad Request: TOPIC_CLOSED")
    telegram.core.closed_topics_bind_admins = False
    assert api("sendMessage", text="x", **topic).status == 200
    assert api("reopenForumTopic", **topic).result is True
    assert api("reopenForumTopic", **topic).refusal == (400, "Bad Request: TOPIC_NOT_MODIFIED")
    told = [
        name for update in api("getUpdates").result for name in update["message"] if name.startswith("forum_topic_")
    ]
    assert told == ["forum_topic_created", "forum_topic_closed", "forum_topic_reopened"]


def test_deleted_behind_the_bots_back(api, group, topic):
    api("sendMessage", text="пропадёт", **topic)
    group.deletes(group.topics[0])
    for method in ("sendMessage", "editForumTopic", "reopenForumTopic", "deleteForumTopic"):
        refused = api(method, text="x", name="x", **topic).refusal
        assert refused == (400, "Bad Request: message thread not found"), method
    assert group.shown() == [] and group.topics == []


def test_rights(telegram, api, bot, group, topic):
    group.set_bot(bot, "administrator", ("can_delete_messages",))
    assert api("createForumTopic", chat_id=group.id, name="x").refusal == (
        400,
        "Bad Request: not enough rights to create a topic",
    )
    assert api("editForumTopic", name="своя", **topic).result is True
    rights = api("getChatMember", chat_id=group.id, user_id=bot.id).result
    assert rights["can_manage_topics"] is False and rights["can_delete_messages"] is True
    group.set_bot(bot, "administrator", ("can_manage_topics",))
    assert api("deleteForumTopic", **topic).status == 400
    group.set_bot(bot, "member", ())
    assert api("getChatMember", chat_id=group.id, user_id=bot.id).result["status"] == "member"
    group.stops_being_a_forum()
    assert api("createForumTopic", chat_id=group.id, name="x").refusal == (400, "Bad Request: the chat is not a forum")
    assert api("getChatMember", chat_id=group.id, user_id=1).refusal == (400, "Bad Request: user not found")
