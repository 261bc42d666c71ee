"""batch: fifty commands in one request."""

from __future__ import annotations


def test_results_and_errors_are_kept_apart_and_empty_members_are_lists(b24):
    result = b24("batch", cmd={"u1": "im.user.get?ID=27", "u2": "im.user.get?ID=404"}).result
    assert result["result"]["u1"]["name"] == "Иван Петров"
    assert result["result_error"] == {"u2": {"error": "USER_NOT_EXISTS", "error_description": "User is not exists"}}
    assert (result["result_total"], result["result_next"]) == ([], [])
    assert list(result["result_time"]) == ["u1"]


def test_a_list_of_commands_gives_a_list_of_results(b24):
    result = b24("batch", cmd=["profile", "im.user.get?ID=27"]).result
    assert [row.get("ID", row.get("id")) for row in result["result"]] == ["1", 27]
    assert result["result_error"] == []


def test_commands_may_come_as_a_form(portal, b24, helpers):
    body = helpers.form(**{"auth": b24.token, "halt": "0", "cmd[me]": "profile", "cmd[u]": "im.user.get?ID=27"})
    assert set(helpers.http(f"{portal.rest_url}batch", body).result["result"]) == {"me", "u"}


def test_later_commands_use_results_of_earlier_ones(b24):
    commands = {
        "me": "profile",
        "card": "im.user.get?ID=$result[me][ID]",
        "list": "im.user.list.get?ID[]=$result[me][ID]",
    }
    result = b24("batch", cmd=commands).result["result"]
    assert result["card"]["id"] == 1
    assert result["list"]["1"]["name"] == "Олег Админов"


def test_halt_stops_at_the_first_error(b24):
    commands = ["profile", "im.user.get?ID=404", "profile"]
    halted = b24("batch", halt=1, cmd=commands).result
    assert (len(halted["result"]), list(halted["result_error"])) == (1, ["1"])
    assert len(b24("batch", halt=0, cmd=commands).result["result"]) == 2


def test_the_fifty_first_command_is_refused(b24):
    result = b24("batch", cmd=["server.time"] * 51).result
    assert len(result["result"]) == 50
    assert result["result_error"]["50"]["error"] == "ERROR_BATCH_LENGTH_EXCEEDED"


def test_batches_do_not_nest(b24):
    result = b24("batch", cmd={"inner": "batch?cmd[0]=profile", "file": "download?x=1"}).result
    assert {error["error"] for error in result["result_error"].values()} == {"ERROR_BATCH_METHOD_NOT_ALLOWED"}


def test_a_batch_of_failures_is_still_200(b24):
    answer = b24("batch", cmd={"a": "nothing.here", "b": "imopenlines.bot.session.operator?CHAT_ID=7"})
    assert answer.status == 200
    assert answer.result["result"] == []
    assert answer.result["result_error"]["a"]["error"] == "ERROR_METHOD_NOT_FOUND"


def test_fifty_dialogs_are_handed_over_in_one_request(portal, b24, bot):
    messages = [portal.client(f"Клиент {n}").writes("привет") for n in range(50)]
    commands = {f"c{m.chat_id}": f"imopenlines.bot.session.operator?CHAT_ID={m.chat_id}" for m in messages}
    result = b24("batch", cmd=commands).result
    assert set(result["result"].values()) == {True}
    assert all(portal.handed_over(message.chat_id) for message in messages)


def test_lists_inside_a_batch_report_total_and_next(portal, b24):
    for number in range(100, 160):
        portal.add_user(number, f"Сотрудник {number}")
    result = b24("batch", cmd={"p0": "user.get?start=0", "p1": "user.get?start=50"}).result
    assert result["result_total"] == {"p0": 62, "p1": 62}
    assert result["result_next"] == {"p0": 50}
