from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_bot.bitrix.event_types import (
    AppInstalled,
    AppTested,
    AppUninstalled,
    BotDeleted,
    ConnectorChanges,
    ConnectorMessages,
    ConnectorStopped,
    Event,
    Joined,
    LineDeleted,
    MessageAdded,
    MessageDeleted,
    MessageEdited,
    Noted,
    SessionFinished,
    SessionStarted,
)
from python_bot.bitrix.events import READERS, event_time, read_event
from python_bot.bitrix.payload import entity, iso_seconds, number, session_of
from python_bot.bitrix.php_form import clean_tree, read_request
from python_bot.errors import BadEvent
from python_bot.model import ChatFacts, FileRef, User
from tests.support.payloads import FIXTURES, INDEX, form
from tests.unit.trees import maps, texts, trees

ANNA = User(744, "Анна Смирнова", "client", "Анна", "Смирнова")


def read(name: str) -> list[Event]:
    tree = read_request(form(name)).tree
    events = read_event(tree["event"], tree.get("data"), event_time(tree, 0.0))
    assert events is not None
    return events


def only(name: str, kind: type) -> Any:
    (event,) = read(name)
    assert isinstance(event, kind), event
    return event


# --- every event has a payload


@pytest.mark.parametrize("event", READERS)
def test_every_event_has_a_recorded_payload(event: str) -> None:
    assert list(FIXTURES.glob(f"{event.lower()}__*.form"))


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*.form")), ids=lambda path: path.stem)
def test_every_recorded_payload_is_listed_and_belongs_to_its_event(path: Any) -> None:
    assert path.stem in {row["file"] for row in INDEX}
    event, _, detail = path.stem.partition("__")
    assert detail
    if event != "opened":
        assert read_request(path.read_bytes()).tree["event"].lower() == event


EXPECTED = {
    "onappinstall__api_only": AppInstalled,
    "onappupdate__full": AppInstalled,
    "onappuninstall__keep": AppUninstalled,
    "onapptest__nonce": AppTested,
    "onapppayment__renewed": Noted,
    "onappmethodconfirm__confirmed": Noted,
    "onimbotjoinchat__automatic": Joined,
    "onimbotmessageadd__client_text": MessageAdded,
    "onimbotmessageadd__client_file": MessageAdded,
    "onimbotmessageadd__system": MessageAdded,
    "onimbotmessageadd__operator": MessageAdded,
    "onimbotmessageadd__older_build": MessageAdded,
    "onimbotmessageadd__whisper": MessageAdded,
    "onimbotmessageadd__forged": MessageAdded,
    "onimbotmessageadd__private": Noted,
    "onimbotmessageupdate__operator": MessageEdited,
    "onimbotmessageupdate__own_bot": MessageEdited,
    "onimbotmessagedelete__client": MessageDeleted,
    "onimbotdelete__bot": BotDeleted,
    "onimcommandadd__client": MessageAdded,
    "onimbotcontextget__link": Noted,
    "onimbotv2joinchat__automatic": Joined,
    "onimbotv2messageadd__client_text": MessageAdded,
    "onimbotv2messageadd__client_file": MessageAdded,
    "onimbotv2messageadd__system": MessageAdded,
    "onimbotv2messageupdate__operator": MessageEdited,
    "onimbotv2messagedelete__client": MessageDeleted,
    "onimbotv2delete__bot": BotDeleted,
    "onimbotv2commandadd__client": MessageAdded,
    "onimbotv2contextget__link": Noted,
    "onimbotv2reactionchange__like": Noted,
    "onsessionstart__object": SessionStarted,
    "onsessionstart__list": SessionStarted,
    "onsessionfinish__object": SessionFinished,
    "onsessionfinish__list": SessionFinished,
    "onopenlinemessageadd__outgoing": MessageAdded,
    "onopenlinemessageadd__incoming": Noted,
    "onopenlinemessageupdate__operator": MessageEdited,
    "onopenlinemessagedelete__operator": MessageDeleted,
    "onimconnectormessageadd__text_and_file": ConnectorMessages,
    "onimconnectormessageupdate__operator": ConnectorChanges,
    "onimconnectormessagedelete__operator": ConnectorChanges,
    "onimconnectordialogstart__list": SessionStarted,
    "onimconnectordialogfinish__list": SessionFinished,
    "onimconnectorstatusdelete__lower_case": ConnectorStopped,
    "onimconnectorlinedelete__scalar": LineDeleted,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_payload_yields_its_kind_of_event(name: str) -> None:
    assert [type(event) for event in read(name)] == [EXPECTED[name]]


def test_an_event_that_is_not_in_the_table_is_unknown_not_bad() -> None:
    assert read_event("ONCRMLEADADD", {"FIELDS": {"ID": "1"}}, 1) is None


# --- values of the bot's events


def test_the_entry_of_the_bot_names_chat_line_and_client_but_no_session() -> None:
    event = only("onimbotjoinchat__automatic", Joined)
    assert event.chat == ChatFacts(
        1763,
        "chat1763",
        entity_id="telegrambot|3|209607941|744",
        connector_id="telegrambot",
        line_id=3,
        client_id=744,
    )
    assert (event.bot_id, event.at) == (597, 1785312000)


def test_a_clients_message_keeps_every_character_and_names_its_session() -> None:
    event = only("onimbotmessageadd__client_text", MessageAdded)
    assert event.message.text == "Добрый день!\nЦена 1+1 & доставка? 👍"
    assert event.message.author == ANNA
    assert (event.message.message_id, event.message.session_id, event.chat.session_opened_at) == (
        85833,
        321,
        1785311960,
    )
    assert (event.feed, event.message.sent_at_exact, event.message.hidden) == ("bot", False, False)


def test_a_message_of_a_file_alone_has_the_file_and_no_text() -> None:
    message = only("onimbotmessageadd__client_file", MessageAdded).message
    assert message.text == ""
    (file,) = message.files
    assert (file.id, file.name, file.size, file.type) == (5437, "чек №7.jpg", 240113, "image")
    assert file.url.startswith("https://acme.bitrix24.ru/")


def test_a_message_from_outside_tells_what_the_messenger_calls_it() -> None:
    assert only("onimbotmessageadd__client_file", MessageAdded).message.external_ids == ("88",)
    assert only("onimbotmessageadd__client_text", MessageAdded).message.external_ids == ()


def test_a_message_without_user_block_by_author_0_is_the_systems() -> None:
    message = only("onimbotmessageadd__system", MessageAdded).message
    assert (message.author.id, message.author.kind) == (0, "system")


def test_an_operators_message_is_archived_with_its_mentions() -> None:
    message = only("onimbotmessageadd__operator", MessageAdded).message
    assert (message.author.id, message.author.kind, message.author.name) == (27, "operator", "Иван Петров")
    assert "[USER=" in message.text.upper() and "[" not in message.text_plain


def test_an_older_build_with_six_parts_and_a_foreign_id_with_bars_is_understood() -> None:
    event = only("onimbotmessageadd__older_build", MessageAdded)
    assert (event.chat.session_id, event.chat.session_opened_at) == (321, None)
    assert (event.chat.connector_id, event.chat.line_id, event.chat.client_id) == ("whatsapp", 3, 744)
    assert event.message.author.kind == "client"


def test_a_whisper_is_archived_as_hidden() -> None:
    message = only("onimbotmessageadd__whisper", MessageAdded).message
    assert (message.hidden, message.author.kind) == (True, "operator")


def test_an_edit_without_from_user_id_has_its_author_from_author_id() -> None:
    event = only("onimbotmessageupdate__operator", MessageEdited)
    assert (event.message_id, event.author.id, event.author.kind) == (85851, 27, "operator")
    assert (event.text, event.at) == ("здравствуйте! Доставка 300 руб.", 1785312075)


def test_an_edit_of_our_own_bots_message_has_a_bot_as_author() -> None:
    event = only("onimbotmessageupdate__own_bot", MessageEdited)
    assert (event.author.id, event.author.kind) == (597, "bot")


def test_an_edit_by_the_client_has_a_client_as_author() -> None:
    body = form("onimbotmessageupdate__operator").replace(b"AUTHOR_ID%5D=27", b"AUTHOR_ID%5D=744")
    tree = read_request(body).tree
    (event,) = read_event(tree["event"], tree["data"], 1) or []
    assert isinstance(event, MessageEdited) and event.author.kind == "client"


def test_a_deletion_names_the_message() -> None:
    event = only("onimbotmessagedelete__client", MessageDeleted)
    assert (event.message_id, event.chat.chat_id, event.author.kind) == (85833, 1763, "client")


def test_the_deleted_bot_is_named_by_both_versions() -> None:
    assert only("onimbotdelete__bot", BotDeleted).bot_id == 597
    assert only("onimbotv2delete__bot", BotDeleted).bot_id == 597


def test_a_slash_command_is_something_said() -> None:
    message = only("onimcommandadd__client", MessageAdded).message
    assert (message.message_id, message.text, message.author.kind) == (85861, "/status", "client")


# --- values of version 2


def test_the_entry_of_a_bot_of_version_2_knows_no_operator_yet() -> None:
    event = only("onimbotv2joinchat__automatic", Joined)
    assert (event.chat.chat_id, event.chat.line_id, event.chat.client_id, event.bot_id) == (1763, 3, 744, 597)
    assert event.chat.operator_id is None  # the chat's owner is our own bot


def test_a_message_of_version_2_brings_its_exact_time() -> None:
    event = only("onimbotv2messageadd__client_text", MessageAdded)
    assert (event.message.sent_at, event.message.sent_at_exact) == (1785312001, True)
    assert event.message.author == ANNA
    assert event.message.text == "Добрый день!\nЦена 1+1 & доставка? 👍"
    assert event.chat.operator_id == 27


def test_a_file_of_version_2_is_named_by_its_id() -> None:
    assert only("onimbotv2messageadd__client_file", MessageAdded).message.files == (FileRef(5437, "", 0, "file", ""),)


def test_a_system_message_of_version_2_has_no_user() -> None:
    author = only("onimbotv2messageadd__system", MessageAdded).message.author
    assert (author.id, author.kind) == (0, "system")


def test_changes_of_version_2_name_the_message() -> None:
    edited = only("onimbotv2messageupdate__operator", MessageEdited)
    assert (edited.message_id, edited.author.kind, edited.text) == (
        85851,
        "operator",
        "здравствуйте! Доставка 300 руб.",
    )
    deleted = only("onimbotv2messagedelete__client", MessageDeleted)
    assert (deleted.message_id, deleted.chat.chat_id) == (85833, 1763)


def test_a_private_or_group_chat_of_version_2_is_only_noted() -> None:
    for kind in ("private", "chat", "open", "channel", "copilot"):
        data = {"message": {"id": 1, "chatId": 5, "text": "x"}, "chat": {"id": 5, "type": kind, "entityType": ""}}
        assert read_event("ONIMBOTV2MESSAGEADD", data, 1) == [Noted()]


# --- lines, connectors, application


@pytest.mark.parametrize("name", ["onsessionfinish__object", "onsessionfinish__list"])
def test_the_end_of_a_session_is_read_in_both_shapes(name: str) -> None:
    event = only(name, SessionFinished)
    assert (event.chat.chat_id, event.chat.line_id, event.chat.client_id, event.at) == (1763, 3, 744, 1785312900)
    assert event.chat.session_id == (321 if name.endswith("list") else None)


@pytest.mark.parametrize("name", ["onsessionstart__object", "onsessionstart__list"])
def test_the_start_of_a_session_is_read_in_both_shapes(name: str) -> None:
    event = only(name, SessionStarted)
    assert (event.chat.chat_id, event.chat.line_id, event.at) == (1763, 3, 1785311960)


def test_the_second_feed_tells_the_same_message() -> None:
    event = only("onopenlinemessageadd__outgoing", MessageAdded)
    assert (event.message.message_id, event.message.chat_id, event.feed) == (85851, 1763, "line")
    assert (event.chat.client_id, event.chat.line_id, event.message.author.kind) == (744, 3, "operator")


def test_changes_of_the_second_feed_are_read_as_object_and_as_list() -> None:
    edited = only("onopenlinemessageupdate__operator", MessageEdited)
    deleted = only("onopenlinemessagedelete__operator", MessageDeleted)
    assert (edited.message_id, deleted.message_id, edited.chat.chat_id) == (85851, 85851, 1763)


def test_a_message_for_our_connector_becomes_an_item_for_the_channel_and_an_archive_row() -> None:
    event = only("onimconnectormessageadd__text_and_file", ConnectorMessages)
    assert (event.connector_id, event.line_id, len(event.items)) == ("acme_avito", 3, 1)
    assert event.items[0]["chat"]["id"] == "u2i-9AbC_7~x"
    (added,) = event.messages
    assert (added.message.message_id, added.message.author.kind) == (86001, "operator")
    assert added.message.text_plain == "Иван Петров: \nСмотрите счёт"


def test_the_lower_case_and_the_scalar_event_are_read() -> None:
    assert only("onimconnectorstatusdelete__lower_case", ConnectorStopped) == ConnectorStopped("acme_avito", 3)
    assert only("onimconnectorlinedelete__scalar", LineDeleted) == LineDeleted(3)


def test_the_nonce_of_our_own_test_comes_back() -> None:
    assert only("onapptest__nonce", AppTested).nonce == "k7f3"


def test_an_uninstallation_says_whether_data_should_go() -> None:
    assert only("onappuninstall__keep", AppUninstalled).clean is False


# --- authors


def _message(user: dict[str, str] | None, **params: str) -> Any:
    base = {"MESSAGE_ID": "1", "CHAT_ID": "5", "MESSAGE": "x", "CHAT_ENTITY_ID": "tg|3|ext|744", "MESSAGE_TYPE": "L"}
    data: dict[str, Any] = {"PARAMS": {**base, **params}}
    if user is not None:
        data["USER"] = user
    (event,) = read_event("ONIMBOTMESSAGEADD", data, 1) or []
    assert isinstance(event, MessageAdded)
    return event.message


@pytest.mark.parametrize(
    ("user", "params", "kind"),
    [
        (None, {"FROM_USER_ID": "0"}, "system"),
        (None, {}, "system"),
        ({"IS_CONNECTOR": "N"}, {"FROM_USER_ID": "27", "SYSTEM": "Y"}, "system"),
        ({"IS_CONNECTOR": "Y"}, {"FROM_USER_ID": "900"}, "client"),
        ({"IS_CONNECTOR": "N"}, {"FROM_USER_ID": "744"}, "client"),
        (None, {"FROM_USER_ID": "744"}, "client"),
        (None, {"AUTHOR_ID": "744"}, "client"),
        ({"IS_BOT": "Y", "IS_CONNECTOR": "N"}, {"FROM_USER_ID": "600"}, "bot"),
        ({"IS_EXTRANET": "Y", "IS_CONNECTOR": "N"}, {"FROM_USER_ID": "27"}, "operator"),
        (None, {"FROM_USER_ID": "27"}, "operator"),
    ],
)
def test_authors_are_classified_as_the_reference_says(
    user: dict[str, str] | None, params: dict[str, str], kind: str
) -> None:
    assert _message(user, **params).author.kind == kind


@pytest.mark.parametrize(
    ("data_1", "session_id", "opened_at"),
    [
        ("Y|LEAD|1205|N|N|321|1785311960|3|0|0", 321, 1785311960),
        ("Y|LEAD|1205|N|N|321|1785311960|3", 321, 1785311960),
        ("Y|LEAD|1205|N|N|321", 321, None),
        ("N|NONE|0|N|N|0|0|0|0|0", None, None),
        ("Y|LEAD|1205", None, None),
        ("", None, None),
        ("|||||x|y", None, None),
    ],
)
def test_session_and_its_start_are_parts_six_and_seven(
    data_1: str, session_id: int | None, opened_at: int | None
) -> None:
    assert session_of(data_1) == {"session_id": session_id, "session_opened_at": opened_at}


def test_the_foreign_part_of_the_entity_may_hold_bars() -> None:
    assert entity("wa|3|a|b|c|744")["client_id"] == 744
    assert entity("a|b|c") == {}


@given(st.text(max_size=40))
def test_parts_of_an_entity_are_read_from_any_text(text: str) -> None:
    entity(text)
    session_of(text)
    iso_seconds(text)
    found = number(text)
    assert found is None or 0 <= found < 2**62


# --- whatever comes


@pytest.mark.parametrize("name", READERS)
def test_a_reader_meets_an_empty_scalar_or_odd_payload_with_events_or_a_bad_event(name: str) -> None:
    for data in (None, "", "x", 7, [], {}, [[]], {"PARAMS": "x"}, {"DATA": []}, {"chat": [], "message": {"id": "1"}}):
        with contextlib.suppress(BadEvent):
            assert isinstance(read_event(name, data, 1), list)


@given(st.sampled_from(sorted(READERS)), maps | trees, st.integers(0, 2**62))
def test_readers_of_random_trees_over_the_real_keys_raise_nothing_but_bad_event(name: str, data: Any, ts: int) -> None:
    with contextlib.suppress(BadEvent):
        read_event(name, clean_tree({"data": data})["data"], ts)


@given(st.data())
def test_readers_of_real_payloads_with_one_value_spoiled_raise_nothing_but_bad_event(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(EXPECTED)))
    tree = read_request(form(name)).tree
    node, key = tree, "data"
    while isinstance(node.get(key), dict) and data.draw(st.booleans()):
        node = node[key]
        key = data.draw(st.sampled_from(sorted(node)))
    node[key] = data.draw(texts | trees)
    try:
        events = read_event(tree["event"], clean_tree(tree).get("data"), event_time(tree, 5.0))
        assert isinstance(events, list)
    except BadEvent:
        pass
