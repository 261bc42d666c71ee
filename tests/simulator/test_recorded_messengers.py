"""The recorded payloads of messengers (tests/fixtures/<messenger>/<kind>__<detail>.json): whole, and in an index."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FIXTURES = Path(__file__).parents[1] / "fixtures"
# Every kind of the wire reference is here at least once.
TELEGRAM = {
    "text", "photo", "album", "document", "voice", "audio", "video", "video_note", "animation", "sticker",
    "location", "venue", "contact", "poll", "dice", "game", "invoice", "story", "live_photo", "paid_media",
    "checklist", "rich_message", "unknown", "reply", "forward", "edited", "my_chat_member", "group", "topic",
    "channel_post", "business", "callback_query", "message_reaction", "future", "service", "ephemeral",
}  # fmt: skip
AVITO = {
    "text", "image", "voice", "link", "item", "location", "call", "system", "deleted", "appcall", "file", "video",
    "unknown", "envelope", "probe",
}  # fmt: skip
ORIGINS = {"user", "hidden_user", "chat", "channel"}


def payloads(messenger):
    return {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((FIXTURES / messenger).glob("*__*.json"))
    }


@pytest.mark.parametrize(("messenger", "kinds"), [("telegram", TELEGRAM), ("avito", AVITO)])
def test_the_index_names_every_file_and_what_becomes_of_it(messenger, kinds):
    index = json.loads((FIXTURES / messenger / "index.json").read_text(encoding="utf-8"))
    assert sorted(row["file"] for row in index) == list(payloads(messenger))
    assert all(row["expect"] for row in index)
    assert {row["file"].partition("__")[0] for row in index} >= kinds


def test_updates_are_as_telegram_makes_them():
    updates = payloads("telegram")
    numbers = [update["update_id"] for update in updates.values()]
    assert len(set(numbers)) == len(numbers)
    messages = {name: body["message"] for name, body in updates.items() if "message" in body}
    assert {
        message["forward_origin"]["type"] for name, message in messages.items() if name.startswith("forward__")
    } > ORIGINS
    for name, message in messages.items():
        for entity in message.get("entities", []) + message.get("caption_entities", []):
            text = message.get("text", message.get("caption")).encode("utf-16-le")
            marked = text[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode("utf-16-le")
            assert marked == marked.strip() != "", (name, entity)
        if (quote := message.get("quote")) and "reply_to_message" in message:
            original = message["reply_to_message"]["text"].encode("utf-16-le")
            assert original[2 * quote["position"] :].decode("utf-16-le").startswith(quote["text"]), name


def test_avito_tells_every_type_in_both_envelopes():
    bodies = payloads("avito")
    for kind in AVITO - {"unknown", "envelope", "probe"}:
        assert bodies[f"{kind}__wrapped"]["payload"]["value"]["type"].lower() == kind
        assert bodies[f"{kind}__bare"]["value"]["type"].lower() == kind
