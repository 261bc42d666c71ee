"""imconnector.*: a messenger of our own."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from tests.support import form

ICON = {"DATA_IMAGE": "data:image/svg+xml,%3Csvg/%3E"}


@pytest.fixture
def avito(b24, receiver):
    """A registered connector, active on line 3; sends one item."""
    registered = b24("imconnector.register", ID="acme_avito", NAME="Avito", ICON=ICON, PLACEMENT_HANDLER=receiver.url)
    assert registered.result == {"result": True}
    assert b24("imconnector.activate", CONNECTOR="acme_avito", LINE=3, ACTIVE=1).result is True

    def send(message, user="u1", chat="u2i-9AbC_7~x", line=3):
        item = {"user": {"id": user, "name": "Пётр Ильин"}, "message": message, "chat": {"id": chat}}
        return b24("imconnector.send.messages", CONNECTOR="acme_avito", LINE=line, MESSAGES=[item])

    return send


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"ID": "acme.avito"}, "APPLICATION_REGISTRATION_ERROR_POINT"),
        ({"ID": ""}, "CONNECTOR_ID_REQUIRED"),
        ({"NAME": ""}, "NAME_REQUIRED"),
        ({"ICON": {}}, "ICON_REQUIRED"),
        ({"PLACEMENT_HANDLER": "http://localhost/x"}, "NO_PLACEMENT_HANDLER"),
    ],
)
def test_a_refused_connector_is_reported_inside_a_200(b24, receiver, changes, error):
    params = {"ID": "acme_avito", "NAME": "Avito", "ICON": ICON, "PLACEMENT_HANDLER": receiver.url} | changes
    answer = b24("imconnector.register", **params)
    assert (answer.status, answer.result["result"], answer.result["error"]) == (200, False, error)


def test_a_message_from_outside_opens_a_conversation(portal, receiver, b24, bot, avito):
    (row,) = avito({"id": "av-1", "text": "Здравствуйте"}).result["DATA"]["RESULT"]
    assert row["SUCCESS"] is True
    assert row["message"] == {"id": "av-1", "date": {}, "text": "Здравствуйте", "files": []}
    chat = portal.chat(int(row["session"]["CHAT_ID"]))
    assert chat.entity_id == f"acme_avito|3|u2i-9AbC_7~x|{row['user']}"
    again = avito({"id": "av-2", "text": "Ау"}).result["DATA"]["RESULT"][0]
    assert (again["session"], again["user"]) == (row["session"], row["user"])
    assert portal.wait_quiet()
    got = receiver.of("ONIMBOTMESSAGEADD")[0]
    assert got.form["data[PARAMS][PARAMS][CONNECTOR_MID][0]"] in ("av-1", "av-2")


def test_the_portal_does_not_notice_a_repeated_external_id(portal, avito):
    first, second = (avito({"id": "av-1", "text": "раз"}).result["DATA"]["RESULT"][0] for _ in range(2))
    assert len(portal.history(int(first["session"]["ID"]))) == 2
    assert first["session"] == second["session"]


def test_files_are_downloaded_from_the_given_address(portal, receiver, avito):
    message = {"id": "av-1", "files": [{"url": receiver.url, "name": "фото.jpg"}]}
    row = avito(message).result["DATA"]["RESULT"][0]
    (stored,) = portal.history(int(row["session"]["ID"]))[0].files
    assert (stored.name, stored.content.decode()) == ("фото.jpg", "файл")
    dead = {"id": "av-2", "files": [{"url": "http://127.0.0.1:9/x", "name": "x"}]}
    assert avito(dead).result["DATA"]["RESULT"][0]["SUCCESS"] is False


def test_a_refused_item_hides_behind_an_outer_success(portal, avito):
    portal.line(3).active = False
    answer = avito({"id": "av-1", "text": "раз"}).result
    assert answer == {"SUCCESS": True, "DATA": {"RESULT": [{"SUCCESS": False, "ERRORS": ["Line is not active"]}]}}


def test_a_line_without_the_connector_and_missing_arguments_are_errors(b24, avito):
    assert avito({"id": "1", "text": "раз"}, line=9).error == (400, "NOT_ACTIVE_LINE")
    refused = b24("imconnector.send.messages", CONNECTOR="acme_avito", LINE=3)
    assert (refused.error, refused.body["argument"]) == ((400, "ERROR_ARGUMENT"), "MESSAGES")


def test_the_operators_answer_goes_to_the_owner_of_the_connector(portal, receiver, b24, avito):
    for event in ("ONIMCONNECTORMESSAGEADD", "ONIMCONNECTORSTATUSDELETE", "ONIMCONNECTORLINEDELETE"):
        b24("event.bind", event=event, handler=receiver.url)
    row = avito({"id": "av-1", "text": "Почём?"}).result["DATA"]["RESULT"][0]
    bill = portal.file("счёт.pdf", b"%PDF")
    sent = portal.operator(27).writes(int(row["session"]["CHAT_ID"]), "Смотрите счёт", files=[bill])
    portal.operator(27).whispers(sent.chat_id, "не для клиента")
    portal.disconnect("acme_avito", 3)
    portal.delete_line(3)
    assert portal.wait_quiet()
    (got,) = receiver.of("ONIMCONNECTORMESSAGEADD")
    assert got.keys == keys_of("onimconnectormessageadd__text_and_file")
    assert got.form["data[MESSAGES][0][message][text]"] == "[b]Иван Петров:[/b] [br]Смотрите счёт"
    assert got.form["data[MESSAGES][0][chat][id]"] == "u2i-9AbC_7~x"
    assert receiver.of("ONIMCONNECTORSTATUSDELETE")[0].keys == keys_of("onimconnectorstatusdelete__lower_case")
    gone = receiver.of("ONIMCONNECTORLINEDELETE")[0]
    assert (gone.keys, gone.form["data"]) == (keys_of("onimconnectorlinedelete__scalar"), "3")


def test_the_owner_of_a_connector_hears_of_sessions(portal, receiver, b24, avito):
    for event in ("ONIMCONNECTORDIALOGSTART", "ONIMCONNECTORDIALOGFINISH"):
        b24("event.bind", event=event, handler=receiver.url)
    session = avito({"id": "av-1", "text": "Почём?"}).result["DATA"]["RESULT"][0]["session"]
    portal.auto_close(int(session["CHAT_ID"]))
    assert portal.wait_quiet()
    (started,), (finished,) = receiver.of("ONIMCONNECTORDIALOGSTART"), receiver.of("ONIMCONNECTORDIALOGFINISH")
    assert started.form["data[DATA][0][session][id]"] == session["ID"]
    assert (started.form["data[DATA][0][session][closed]"], finished.form["data[DATA][0][session][closed]"]) == (
        "N",
        "Y",
    )
    assert "auth[access_token]" not in finished.form


def test_files_for_the_messenger_can_be_fetched_by_their_link(portal, receiver, b24, avito, helpers):
    b24("event.bind", event="ONIMCONNECTORMESSAGEADD", handler=receiver.url)
    row = avito({"id": "av-1", "text": "Почём?"}).result["DATA"]["RESULT"][0]
    portal.operator(27).writes(int(row["session"]["CHAT_ID"]), files=[portal.file("счёт.pdf", b"%PDF")])
    assert portal.wait_quiet()
    link = receiver.of("ONIMCONNECTORMESSAGEADD")[0].form["data[MESSAGES][0][message][files][0][downloadLink]"]
    assert helpers.http(link).body == b"%PDF"
    assert helpers.http(link + "x").status == 403


def test_a_delivery_report_counts_only_with_a_list_of_ids(portal, b24, avito):
    row = avito({"id": "av-1", "text": "Почём?"}).result["DATA"]["RESULT"][0]
    sent = portal.operator(27).writes(int(row["session"]["CHAT_ID"]), "тысяча")

    def report(external):
        item = {"im": {"chat_id": sent.chat_id, "message_id": sent.message_id}, "message": {"id": external}}
        item["chat"] = {"id": "u2i-9AbC_7~x"}
        answer = b24("imconnector.send.status.delivery", CONNECTOR="acme_avito", LINE=3, MESSAGES=[item])
        assert answer.result == {"SUCCESS": True, "DATA": []}
        return sent.delivered_as

    assert report("out-1") == []
    assert report(["out-1"]) == ["out-1"]


def test_edits_from_outside_change_the_message(portal, b24, avito):
    row = avito({"id": "av-1", "text": "раз"}).result["DATA"]["RESULT"][0]
    item = {"user": {"id": "u1"}, "message": {"id": "av-1", "text": "два"}, "chat": {"id": "u2i-9AbC_7~x"}}
    b24("imconnector.update.messages", CONNECTOR="acme_avito", LINE=3, MESSAGES=[item])
    (message,) = portal.history(int(row["session"]["ID"]))
    assert (message.text, message.edited) == ("два", True)
    b24("imconnector.delete.messages", CONNECTOR="acme_avito", LINE=3, MESSAGES=[item])
    assert message.deleted


def test_status_tells_whether_the_connector_works(portal, b24, avito):
    status = {"LINE": 3, "CONNECTOR": "acme_avito", "ERROR": False, "CONFIGURED": True, "STATUS": True}
    assert b24("imconnector.status", CONNECTOR="acme_avito", LINE=3).result == status
    portal.disconnect("acme_avito", 3)
    assert b24("imconnector.status", CONNECTOR="acme_avito", LINE=3).result["STATUS"] is False
    assert b24("imconnector.list").result["acme_avito"] == "Avito"


def keys_of(name):
    return {key for key, _ in parse_qsl(form(name).decode(), keep_blank_values=True)}
