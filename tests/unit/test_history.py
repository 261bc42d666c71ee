from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given

from python_bot.bitrix.history import chat_of, read_history
from python_bot.errors import BadEvent
from python_bot.model import FileRef, SessionHistory
from tests.unit.trees import trees

# The recorded answer of `imopenlines.session.history.get`, in the portal's own mangled keys.
R27 = r"""{"result":{"chatId":1763,"canJoin":"Y","canVoteHead":"N","sessionId":321,"sessionVoteHead":0,
 "sessionCommentHead":null,"userId":"chat1763",
 "message":{
  "85851":{"id":"85851","chatid":"1763","senderid":"27","recipientid":"chat1763","date":"2026-07-29T11:01:00+03:00",
   "text":"здравствуйте! Доставка 300 руб.","textlegacy":"здравствуйте! Доставка 300 руб.","params":{"isEdited":"Y"}},
  "85837":{"id":"85837","chatid":"1763","senderid":"0","recipientid":"chat1763","date":"2026-07-29T11:00:03+03:00",
   "text":"Чат-бот завершил работу, обращение направлено в очередь","textlegacy":"Чат-бот завершил","params":[]},
  "85835":{"id":"85835","chatid":"1763","senderid":"744","recipientid":"chat1763","date":"2026-07-29T11:00:02+03:00",
   "text":"","textlegacy":"","params":{"fileId":[5437],"connectorMid":["88"]}},
  "85833":{"id":"85833","chatid":"1763","senderid":"744","recipientid":"chat1763","date":"2026-07-29T11:00:01+03:00",
   "text":"Добрый день!\nЦена 1+1 & доставка? 👍","textlegacy":"Добрый день!<br />Цена","params":[]}},
 "usersMessage":{"chat1763":["85851","85837","85835","85833"]},
 "users":{"27":{"id":"27","name":"Иван Петров","firstName":"Иван","lastName":"Петров","workPosition":"Менеджер",
   "avatar":"","gender":"M","bot":false,"connector":false},
  "744":{"id":"744","name":"Анна Смирнова","firstName":"Анна","lastName":"Смирнова","workPosition":"",
   "avatar":"","gender":"F","bot":false,"connector":true}},
 "openlines":[],"userInGroup":[],"woUserInGroup":[],"chat":[],"userBlockChat":[],"userInChat":[],
 "files":{"5437":{"id":5437,"chatid":1763,"type":"image","name":"чек №7.jpg","size":240113,"authorid":744,
   "urldownload":"https://acme.bitrix24.ru/…"}}},"time":{}}"""


def answer() -> Any:
    return json.loads(re.sub(r"\n +", "", R27))["result"]


def test_the_recorded_history_is_read_oldest_first_with_people_and_files() -> None:
    found = read_history(answer())
    assert (found.chat_id, found.session_id) == (1763, 321)
    rows = [item.message for item in found.messages]
    assert [m.message_id for m in rows] == [85833, 85835, 85837, 85851]
    assert [m.sent_at for m in rows] == [1785312001, 1785312002, 1785312003, 1785312060]
    assert all(m.sent_at_exact and (m.chat_id, m.session_id) == (1763, 321) for m in rows)
    assert [m.author.kind for m in rows] == ["client", "client", "system", "operator"]
    assert rows[0].text == "Добрый день!\nЦена 1+1 & доставка? 👍"
    assert rows[1].files == (FileRef(5437, "чек №7.jpg", 240113, "image", "https://acme.bitrix24.ru/…"),)
    assert [m.external_ids for m in rows] == [(), ("88",), (), ()]
    assert [item.edited for item in found.messages] == [False, False, False, True]
    assert not any(item.deleted for item in found.messages)
    assert [(u.id, u.name, u.kind, u.first_name, u.work_position) for u in found.users] == [
        (27, "Иван Петров", "operator", "Иван", "Менеджер"),
        (744, "Анна Смирнова", "client", "Анна", ""),
    ]


@pytest.mark.parametrize("empty", [[], {}, None])
def test_empty_maps_are_lists_maps_or_absent(empty: Any) -> None:
    result = {**answer(), "message": empty, "users": empty, "files": empty}
    assert read_history(result) == SessionHistory(1763, 321, (), ())
    result = {**answer(), "users": empty, "files": empty}
    found = read_history(result)
    assert [item.message.author.id for item in found.messages] == [744, 744, 0, 27]
    assert found.messages[1].message.files == (FileRef(5437, "", 0, "file", ""),)


def test_maps_that_php_wrote_as_lists_are_read_alike() -> None:
    result = answer()
    listed = {**result, **{name: list(result[name].values()) for name in ("message", "users", "files")}}
    assert read_history(listed) == read_history(result)


@pytest.mark.parametrize("mangle", [str.lower, str.upper])
def test_the_case_of_keys_does_not_matter(mangle: Any) -> None:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {mangle(key): walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list) else value

    assert read_history(walk(answer())) == read_history(answer())


def test_a_deleted_message_is_marked() -> None:
    result = answer()
    result["message"]["85833"]["params"] = {"isDeleted": "Y"}
    result["message"]["85835"]["params"] = {"IS_DELETED": "Y"}
    assert [item.deleted for item in read_history(result).messages] == [True, True, False, False]


def test_bots_and_unknown_senders_have_a_kind() -> None:
    result = answer()
    result["users"]["27"]["bot"] = True
    result["message"]["85833"]["senderid"] = "900"
    assert [item.message.author.kind for item in read_history(result).messages][::3] == ["operator", "bot"]


@pytest.mark.parametrize(
    "result", [None, [], {}, "x", {"chatId": 1763}, {"sessionId": 321}, {"chatId": 0, "sessionId": 1}]
)
def test_an_answer_without_chat_or_session_is_bad(result: Any) -> None:
    with pytest.raises(BadEvent):
        read_history(result)


@given(trees, trees, trees)
def test_whatever_stands_in_a_history_is_read_or_refused(message: Any, users: Any, files: Any) -> None:
    for result in (message, {**answer(), "message": message, "users": users, "files": files}):
        try:
            read_history(result)
            chat_of(result)
        except BadEvent:
            pass
    broken = answer()
    broken["message"]["85833"] |= {"params": message, "date": str(users), "senderid": files}
    read_history(broken)


def test_a_dialog_names_its_chat_and_entity() -> None:
    result = {
        "id": 1763,
        "name": "Анна",
        "entity_id": "tg|3|x|744",
        "entity_data_1": "Y|LEAD|1|N|N|321",
        "entity_data_2": "",
    }
    assert chat_of(result) == (
        1763,
        {"name": "Анна", "entity_id": "tg|3|x|744", "entity_data_1": "Y|LEAD|1|N|N|321", "entity_data_2": ""},
    )
    for bad in ([], {}, {"id": "0"}, None):
        with pytest.raises(BadEvent):
            chat_of(bad)
