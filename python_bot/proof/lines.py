"""The lines of a manifest, and whether what is here now agrees with one. Pure.

    {"manifest": 1, "day": "2026-07-29", "former": "<SHA-256 of the former day's file>"}
    {"id": 10, "chat": 5, "source": 2, "seal": "…", "words": "…"}            archived or changed that day
    {"erased": 5, "up_to": 9}                                                  messages of the chat that went
    {"end": true, "messages": 1, "erasures": 1}

`seal` is a keyed hash of number, chat, author, exact time and text; `words` of the text for reading. The key is the
dialog's own and is erased with it. Only present when there is something to say: "exact", "deleted", "versions" (hashes
of former texts), "files" (id -> hash of the content, "" while there is none).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final, Literal

from ..model import Sealable

FORMAT: Final = 1
HISTORY: Final = 3

Verdict = Literal["same", "edited", "repaired", "altered"]


def dumps(line: dict[str, Any]) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def line_of(message: Sealable, key: bytes) -> dict[str, Any]:
    line: dict[str, Any] = {
        "id": message.message_id,
        "chat": message.chat_id,
        "source": message.source,
        "seal": _seal(message, key, message.text, message.sent_at_exact),
        "words": _hash(key, "words", message.text_plain),
    }
    if message.sent_at_exact:
        line["exact"] = 1
    if message.deleted:
        line["deleted"] = 1
    if message.versions:
        line["versions"] = [_hash(key, "version", text) for text in message.versions]
    if message.files:
        line["files"] = {str(file_id): _content(key, digest) for file_id, digest in message.files}
    return line


def judge(line: dict[str, Any], message: Sealable, key: bytes, plain: Callable[[str], str]) -> tuple[Verdict, str]:
    """What became of a message since its line was written, and what is wrong with it. `plain`: BB code for reading."""
    was_exact = bool(line.get("exact"))
    if line.get("deleted") and not message.deleted:
        return "altered", "it was deleted, and is shown as if it were not"
    if was_exact and not message.sent_at_exact:
        return "altered", "its exact time is gone"
    lost = set(line.get("versions", ())) - {_hash(key, "version", t) for t in (*message.versions, message.text)}
    if lost:
        return "altered", f"{len(lost)} former texts are gone or changed"
    files = dict(message.files)
    for file_id, digest in line.get("files", {}).items():
        now = files.get(int(file_id))
        if now is None:
            return "altered", f"its file {file_id} is gone"
        if digest and now and digest != _content(key, now):
            return "altered", f"the content of its file {file_id} is another"
    if line["seal"] == _seal(message, key, message.text, was_exact):
        reads_as_sealed = line["words"] == _hash(key, "words", message.text_plain)
        if reads_as_sealed or message.text_plain == plain(message.text):
            return "same", ""
        return "altered", "its text for reading is not that of its text"
    if message.text_plain != plain(message.text):
        return "altered", "its text for reading is not that of its text"
    if message.source > line["source"]:
        return "repaired", ""
    if any(line["seal"] == _seal(message, key, text, was_exact) for text in message.versions):
        return "edited", ""
    if message.source == HISTORY and line["words"] == _hash(key, "words", message.text_plain):
        return "repaired", ""  # other BB code around the same words
    return "altered", "text, author or time is another, and no edit tells why"


def _seal(message: Sealable, key: bytes, text: str, exact: bool) -> str:
    at = message.sent_at if exact else 0
    return _hash(key, "seal", message.message_id, message.chat_id, message.author_id, at, text)


def _content(key: bytes, digest: str) -> str:
    return _hash(key, "file", digest) if digest else ""


def _hash(key: bytes, *values: object) -> str:
    raw = json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return blake2b(raw, key=key, digest_size=16).hexdigest()
