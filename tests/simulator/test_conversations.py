"""How a conversation goes: bot, hand-over, operators, sessions."""

from __future__ import annotations

import pytest


def texts(receiver, event="ONIMBOTMESSAGEADD"):
    return [got.form["data[PARAMS][MESSAGE]"] for got in receiver.of(event)]


def test_the_first_message_brings_the_bot_and_then_the_message(portal, receiver, bot):
    message = portal.client("Анна Смирнова").writes("Добрый день")
    assert portal.wait_quiet()
    chat = portal.chat(message.chat_id)
    assert (chat.bot_in_chat, chat.operator_id, portal.handed_over(chat.chat_id)) == (True, bot, False)
    assert {got.event for got in receiver.received} == {"ONIMBOTJOINCHAT", "ONIMBOTMESSAGEADD"}


def test_the_second_hand_over_is_refused(portal, b24, bot):
    message = portal.client("Анна").writes("Добрый день")
    assert b24.hand_over(message).result is True
    assert b24.hand_over(message).error == (400, "WRONG_CHAT")
    assert portal.handed_over(message.chat_id)
    assert portal.chat(message.chat_id).operator_id == 27
    assert portal.handover_times[message.session_id] >= 0


def test_hand_over_wants_a_chat(b24, bot):
    assert b24("imopenlines.bot.session.operator").error == (400, "CHAT_ID_EMPTY")
    assert b24("imopenlines.bot.session.operator", CHAT_ID=99).error == (400, "WRONG_CHAT")


def test_a_bot_that_stays_hears_the_operator_until_the_session_ends(portal, receiver, b24, bot):
    client, operator = portal.client("Анна"), portal.operator(27)
    message = client.writes("вопрос")
    b24.hand_over(message)
    operator.writes(message.chat_id, "ответ")
    operator.whispers(message.chat_id, "между нами")
    operator.finishes(message.chat_id)
    assert not portal.chat(message.chat_id).bot_in_chat
    assert portal.wait_quiet()
    assert {"вопрос", "ответ", "между нами"} <= set(texts(receiver))
    assert len(receiver.of("ONIMBOTMESSAGEADD")) == len(portal.history(message.session_id))


def test_a_bot_that_leaves_for_the_queue_hears_nothing_more(portal, receiver, b24, bot):
    b24.attach(bot, WELCOME_BOT_LEFT="queue")
    message = portal.client("Анна").writes("вопрос")
    b24.hand_over(message)
    portal.operator(27).writes(message.chat_id, "ответ")
    assert portal.wait_quiet()
    assert texts(receiver) == ["вопрос"]


def test_the_portal_hands_over_by_itself_when_the_bot_is_silent(portal, b24, bot):
    message = portal.client("Анна").writes("есть кто?")
    portal.clock.advance(59)
    assert not portal.handed_over(message.chat_id)
    portal.clock.advance(2)
    assert portal.handed_over(message.chat_id)
    assert portal.chat(message.chat_id).session.handed_over_by == "timer"
    assert b24.hand_over(message).error == (400, "WRONG_CHAT")


def test_zero_bot_time_never_hands_over(portal, b24, bot):
    b24.attach(bot, WELCOME_BOT_TIME=0)
    message = portal.client("Анна").writes("есть кто?")
    portal.clock.advance(7 * 24 * 3600)
    assert not portal.handed_over(message.chat_id)


def test_a_closed_conversation_goes_on_as_a_new_session_of_the_same_chat(portal, receiver, bot):
    client = portal.client("Анна")
    first = client.writes("раз")
    portal.operator(27).finishes(first.chat_id)
    second = client.writes("два")
    assert second.chat_id == first.chat_id
    assert second.session_id > first.session_id
    assert [session.closed for session in portal.sessions(first.chat_id)] == [True, False]
    assert portal.wait_quiet()
    assert len(receiver.of("ONIMBOTJOINCHAT")) == 2


def test_a_bot_that_joins_first_conversations_only_misses_the_second(portal, receiver, b24, bot):
    b24.attach(bot, WELCOME_BOT_JOIN="first")
    client = portal.client("Анна")
    first = client.writes("раз")
    portal.operator(27).finishes(first.chat_id)
    client.writes("два")
    assert portal.wait_quiet()
    assert len(receiver.of("ONIMBOTJOINCHAT")) == 1
    assert "два" not in texts(receiver)


def test_a_closed_session_can_be_reopened_under_its_id(portal, bot):
    client = portal.client("Анна")
    message = client.writes("раз")
    portal.operator(27).finishes(message.chat_id)
    portal.rate(message.session_id, 5)
    portal.reopen(message.session_id)
    assert client.writes("ещё вопрос").session_id == message.session_id
    assert portal.sessions(message.chat_id)[0].vote == 5


def test_a_switched_off_line_never_starts_the_bot(portal, receiver, b24, bot):
    portal.line(3).active = False
    message = portal.client("Анна").writes("раз")
    assert portal.wait_quiet()
    assert receiver.received == []
    assert portal.handed_over(message.chat_id)


def test_a_bots_own_words_make_no_message_event(portal, receiver, b24, bot):
    message = portal.client("Анна").writes("раз")
    sent = b24("imbot.message.add", BOT_ID=bot, DIALOG_ID=f"chat{message.chat_id}", MESSAGE="Сейчас позову").result
    assert b24("imbot.message.update", BOT_ID=bot, MESSAGE_ID=sent, MESSAGE="Зову").result is True
    assert portal.wait_quiet()
    assert texts(receiver) == ["раз"]
    assert texts(receiver, "ONIMBOTMESSAGEUPDATE") == ["Зову"]
    assert [m.text for m in portal.history(message.session_id)] == ["раз", "Зову"]


def test_edits_and_deletions_are_told_and_kept_in_the_truth(portal, receiver, bot):
    client = portal.client("Анна")
    first, second = client.writes("раз"), client.writes("два")
    client.edits(first, "один")
    client.deletes(second)
    assert portal.wait_quiet()
    assert texts(receiver, "ONIMBOTMESSAGEUPDATE") == ["один"]
    assert texts(receiver, "ONIMBOTMESSAGEDELETE") == [""]
    assert [(m.text, m.edited, m.deleted) for m in portal.history(first.session_id)] == [
        ("один", True, False),
        ("два", False, True),
    ]


def test_conversations_go_round_the_queue(portal, b24, bot):
    portal.add_user(31, "Мария Котова")
    portal.line(3).queue = [27, 31]
    messages = [portal.client(f"Клиент {n}").writes("привет") for n in range(3)]
    for message in messages:
        b24.hand_over(message)
    assert [portal.chat(message.chat_id).operator_id for message in messages] == [27, 31, 27]


def test_with_nobody_in_the_queue_the_conversation_waits(portal, b24, bot):
    portal.line(3).queue = []
    message = portal.client("Анна").writes("привет")
    assert b24.hand_over(message).result is True
    assert portal.handed_over(message.chat_id)
    assert portal.chat(message.chat_id).operator_id == 0


def test_operators_pass_conversations_to_colleagues_and_to_other_lines(portal, bot):
    portal.add_user(31, "Мария Котова")
    portal.add_line("Поддержка", line_id=5, queue=[31])
    message = portal.client("Анна").writes("привет")
    portal.operator(27).answers(message.chat_id)
    portal.operator(27).transfers(message.chat_id, to_user=31)
    assert portal.chat(message.chat_id).operator_id == 31
    portal.operator(31).transfers(message.chat_id, to_line=5)
    chat = portal.chat(message.chat_id)
    assert (chat.session.line_id, chat.operator_id, chat.entity_id.split("|")[1]) == (5, 31, "3")


@pytest.mark.parametrize(
    ("target", "operator"), [({"USER_ID": 31}, 31), ({"TRANSFER_ID": "queue5"}, 31), ({"QUEUE_ID": 5}, 31)]
)
def test_the_bot_can_pass_a_conversation_to_a_person_or_a_line(portal, b24, bot, target, operator):
    portal.add_user(31, "Мария Котова")
    portal.add_line("Поддержка", line_id=5, queue=[31])
    message = portal.client("Анна").writes("привет")
    assert b24("imopenlines.bot.session.transfer", CHAT_ID=message.chat_id, **target).result is True
    chat = portal.chat(message.chat_id)
    assert (chat.operator_id, chat.bot_in_chat, portal.handed_over(chat.chat_id)) == (operator, True, True)


def test_a_bot_that_passed_a_conversation_on_leaves_when_the_person_answers(portal, b24, bot):
    b24.attach(bot, WELCOME_BOT_LEFT="queue")
    message = portal.client("Анна").writes("привет")
    b24("imopenlines.bot.session.transfer", CHAT_ID=message.chat_id, USER_ID=27, LEAVE="N")
    assert portal.chat(message.chat_id).bot_in_chat
    portal.operator(27).writes(message.chat_id, "слушаю")
    assert not portal.chat(message.chat_id).bot_in_chat


def test_a_session_nobody_ends_is_closed_by_the_portal_without_anyones_token(portal, receiver, b24, bot):
    b24("event.bind", event="ONSESSIONFINISH", handler=receiver.url)
    message = portal.client("Анна").writes("привет")
    portal.auto_close(message.chat_id)
    assert portal.wait_quiet()
    assert portal.chat(message.chat_id).session.closed
    assert "auth[access_token]" not in receiver.of("ONSESSIONFINISH")[0].form


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"USER_ID": 31}, "CHAT_ID_EMPTY"),
        ({"CHAT_ID": 1763}, "USER_ID_EMPTY"),
        ({"CHAT_ID": 1763, "QUEUE_ID": ""}, "QUEUE_ID_EMPTY"),
        ({"CHAT_ID": 1763, "TRANSFER_ID": ""}, "TRANSFER_ID_EMPTY"),
        ({"CHAT_ID": 1763, "USER_ID": 404}, "OPERATOR_WRONG"),
        ({"chat_id": 1763, "user_id": 27}, "CHAT_ID_EMPTY"),
    ],
)
def test_transfer_refuses_what_it_does_not_know(portal, b24, bot, params, error):
    portal.client("Анна").writes("привет")
    assert b24("imopenlines.bot.session.transfer", **params).error == (400, error)


def test_the_bot_can_finish_a_conversation(portal, b24, bot):
    message = portal.client("Анна").writes("привет")
    assert b24("imopenlines.bot.session.finish", CHAT_ID=message.chat_id).result is True
    assert portal.chat(message.chat_id).session.closed


def test_a_lonely_zero_ends_the_bot_phase(portal, bot):
    client = portal.client("Анна")
    message = client.writes("привет")
    client.writes("0")
    assert portal.handed_over(message.chat_id)


def test_very_long_texts_are_cut_silently(portal, bot):
    message = portal.client("Анна").writes("я" * 20_001)
    assert message.text == "я" * 20_000 + " (...)"


def test_two_portals_in_one_process_do_not_notice_each_other(portal, receiver, app, helpers):
    from python_bot.simulator import SimulatedPortal

    with SimulatedPortal() as other:
        assert other.member_id != portal.member_id
        stranger = other.install_app(receiver.url, send=False)
        answer = helpers.http(f"{portal.rest_url}profile?auth={stranger.access_token()}")
        assert answer.error == (401, "invalid_token")


@pytest.mark.parametrize("step", [1, 2])
def test_ids_grow_by_the_chosen_step(step):
    from python_bot.simulator import SimulatedPortal

    with SimulatedPortal(id_step=step) as portal:
        client = portal.client("Анна")
        first = client.writes("раз")
        assert client.writes("два").message_id - first.message_id == step
        portal.operator(27).finishes(first.chat_id)
        assert client.writes("три").session_id - first.session_id == step
