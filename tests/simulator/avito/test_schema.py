"""Whatever the simulated Avito answers and sends fits the description of the messenger, as do the recorded bodies."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from jsonschema import Draft202012Validator

from python_bot.simulator.avito.methods import ROUTES
from python_bot.simulator.pictures import PNG, png

SCHEMA = yaml.safe_load((Path(__file__).parent / "schema.yaml").read_text(encoding="utf-8"))
FIXTURES = Path(__file__).parents[2] / "fixtures" / "avito"
# Not of the messenger; and those whose answer has no body.
ELSEWHERE = ("/core/v1/items", "/order-management/", "/blacklist")


@cache
def validator(name):
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})


def complaints(name, value):
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(value)]


def schema_of(call):
    if call.status >= 400:
        return "Error"
    return next(
        (
            row["schema"]
            for row in SCHEMA["answers"]
            if row["verb"] == call.verb and re.fullmatch(row["path"], call.path)
        ),
        "",
    )


def people_talk(avito, shop, ivan):
    first = ivan.writes("Здравствуйте!")
    ivan.sends_image()
    ivan.sends_image(png(1280, 960))
    ivan.sends_location()
    ivan.calls_in_vain()
    ivan.deletes(ivan.writes("ой"))
    for kind in ("appCall", "file", "video"):
        ivan.sends(kind, {})
    ivan.sends("link", {"link": {"text": "x", "url": "https://example.org", "preview": None}})
    item = {
        "title": "В",
        "item_url": "https://avito.ru/1",
        "image_url": "https://img.example.org/i",
        "price_string": None,
    }
    ivan.sends("item", {"item": item})
    shop.writes(ivan.chat, "Добрый день")
    ivan.reads()
    ivan.writes("ещё", quoted=first)
    shop.buyer("").writes("Пишу через профиль")
    shop.avito_says("[Системное сообщение] …", ivan.chat, "two_way_chats")
    shop.avito_says("Новые правила")
    return ivan.sends_voice()


def we_ask(api, shop, ivan, voice, hook):
    chat = "/messenger/v{}/accounts/{{u}}/chats/" + quote(ivan.chat.id, safe="")
    api("POST", "/messenger/v3/webhook", {"url": hook.url})
    api("POST", "/messenger/v1/subscriptions")
    yield
    api("GET", "/core/v1/accounts/self"), api("GET", "/core/v1/items"), api("GET", "/order-management/1/orders")
    api("GET", "/messenger/v2/accounts/{u}/chats", chat_types="u2i,u2u,a2u")
    api("GET", chat.format(2)), api("GET", chat.format(3) + "/messages/")
    sent = api("POST", chat.format(1) + "/messages", {"type": "text", "message": {"text": "да"}}).ok
    api("POST", chat.format(1) + "/messages", {"type": "text", "message": {"text": ""}})
    (image_id,) = api.upload(PNG).ok
    api("POST", chat.format(1) + "/messages/image", {"image_id": image_id})
    api("POST", f"{chat.format(1)}/messages/{sent['id']}")
    api("POST", chat.format(1) + "/read")
    api("GET", "/messenger/v1/accounts/{u}/getVoiceFiles", voice_ids=voice.content["voice"]["voice_id"])
    api(
        "POST",
        "/messenger/v2/accounts/{u}/blacklist",
        {"users": [{"user_id": 5, "context": {"item_id": 1, "reason_id": 1}}]},
    )
    api("POST", "/messenger/v1/webhook/unsubscribe", {"url": hook.url})
    shop.stops_paying()
    api("GET", "/messenger/v2/accounts/{u}/chats")


@pytest.mark.parametrize("changes", [{}, {"bare_messages": True, "version_is_number": True}])
def test_answers_and_webhooks(avito, api, shop, ivan, hook, changes):
    for name, value in changes.items():
        setattr(avito.build, name, value)
    asking = we_ask(api, shop, ivan, ivan.sends_voice(), hook)
    next(asking)
    people_talk(avito, shop, ivan)
    assert list(asking) == [] and avito.wait_quiet()
    for call in avito.calls:
        schema = schema_of(call)
        if not any(part in call.path for part in ELSEWHERE):
            assert schema and complaints(schema, call.answer) == [], (call, call.answer)
    asked = {(call.verb, call.path) for call in avito.calls}
    for verb, pattern, _ in ROUTES:
        assert any(verb == other and pattern.fullmatch(path) for other, path in asked), pattern
    assert len(hook.bodies) >= 20 and all(complaints("Hook", body) == [] for body in hook.bodies)


def test_recorded_bodies():
    for path in sorted(FIXTURES.glob("*__*.json")):
        kind, _, shape = path.stem.partition("__")
        schema = {"messages": "Messages", "chats": "Chats"}.get(kind, "Hook")
        found = complaints(schema, json.loads(path.read_text(encoding="utf-8")))
        assert bool(found) == (kind in ("unknown", "envelope", "probe")), (path.stem, shape, found)


def test_the_description_is_strict():
    whole = {"id": "a" * 32, "created": 1, "direction": "out", "type": "text", "content": {"text": "x"}}
    assert complaints("SentText", whole) == []
    for wrong in ({"extra": 1}, {"content": {}}, {"type": "image"}, {"direction": "in"}, {"created": "1"}):
        assert complaints("SentText", whole | wrong)
