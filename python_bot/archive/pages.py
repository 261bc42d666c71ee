"""Reading for the API: SQLite builds the JSON text itself, which frees the interpreter lock meanwhile.

Lists are keyset pages: they cost the same at any depth, and rows that arrive neither repeat nor skip any.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..db import Storage, Tx
from ..model import DialogFilter, DialogOrder, Excerpt, JsonPage, MessageOrder, MessageVersion
from ..values import dataclass
from . import external, filters, session_pages
from .filters import Conditions, Order


def _time(column: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%SZ', {column}, 'unixepoch')"


def _bool(condition: str) -> str:
    return f"json(CASE WHEN {condition} THEN 'true' ELSE 'false' END)"


# Every session was compared with the portal's history, after its last message; what was imported and not found there
# was compared with nothing.
IS_COMPLETE: Final = """d.reconciled_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM messages i WHERE i.chat_id = d.chat_id AND i.message_id < 0)
    AND NOT EXISTS (SELECT 1 FROM sessions r
        WHERE r.chat_id = d.chat_id AND (r.reconciled_at IS NULL OR r.reconciled_to < r.last_message_id))"""

# 'LEAD|1205|COMPANY|0|CONTACT|87' -> what has a number.
_CRM_PARTS: Final = """json_each('[' || replace(json_quote(d.crm_links), '|', '","') || ']')"""
_CRM: Final = f"""(SELECT json_group_array(json_object('type', lower(t.value), 'id', CAST(n.value AS INTEGER)))
    FROM {_CRM_PARTS} t JOIN {_CRM_PARTS} n ON n.key = t.key + 1
    WHERE t.key % 2 = 0 AND CAST(n.value AS INTEGER) > 0)"""

DIALOG: Final = f"""json_object(
    'chat_id', d.chat_id, 'dialog_id', d.dialog_id, 'title', d.title, 'status', d.status,
    'session_id', s.session_id, 'line_id', d.line_id, 'connector_id', NULLIF(d.connector_id, ''),
    'client', CASE WHEN d.client_id IS NULL THEN NULL
              ELSE json_object('id', d.client_id, 'name', COALESCE(c.name, '')) END,
    'operator', CASE WHEN d.operator_id IS NULL THEN NULL
                ELSE json_object('id', d.operator_id, 'name', COALESCE(o.name, '')) END,
    'opened_at', {_time("d.opened_at")}, 'handed_over_at', {_time("d.handed_over_at")},
    'last_message_at', {_time("d.last_message_at")}, 'message_count', d.message_count,
    'complete', {_bool(IS_COMPLETE)})"""

DIALOG_FROM: Final = """dialogs d LEFT JOIN sessions s ON s.id = d.session_ref
    LEFT JOIN users c ON c.user_id = d.client_id LEFT JOIN users o ON o.user_id = d.operator_id"""

_USER: Final = """json_object('id', u.user_id, 'name', u.name, 'kind', u.kind, 'first_name', u.first_name,
    'last_name', u.last_name, 'work_position', u.work_position)"""

_ONE_DIALOG: Final = f"""SELECT {DIALOG}, {_CRM}, (SELECT json_group_array(json(item)) FROM (
        SELECT json_object('id', p.user_id, 'name', COALESCE(u.name, ''), 'kind', COALESCE(u.kind, 'client')) AS item
        FROM participants p LEFT JOIN users u ON u.user_id = p.user_id
        WHERE p.chat_id = d.chat_id ORDER BY p.user_id))
    FROM {DIALOG_FROM} WHERE d.chat_id = ?"""

MESSAGE: Final = f"""json_object(
    'message_id', m.message_id, 'chat_id', m.chat_id, 'session_id', s.session_id,
    'author', json_object('id', m.author_id, 'name', COALESCE(u.name, ''), 'kind', m.author_kind),
    'text', m.text, 'text_plain', COALESCE(m.text_plain, m.text),
    'sent_at', {_time("m.sent_at")}, 'sent_at_exact', {_bool("m.sent_at_exact")},
    'edited_at', {_time("m.edited_at")}, 'deleted_at', {_time("m.deleted_at")},
    'files', (SELECT json_group_array(json_object('id', f.file_id, 'name', f.name, 'size', f.size,
        'type', f.type, 'url', NULLIF(f.url, ''), 'state', f.state, 'problem', NULLIF(f.problem, '')))
        FROM files f WHERE f.message_id = m.message_id))"""

_EXTERNAL_MESSAGE: Final = external.added_to(MESSAGE)

_MESSAGES: Final = """SELECT CAST('[' || COALESCE(group_concat(item, ','), '') || ']' AS BLOB), MAX(id), COUNT(*) FROM (
    SELECT {} AS item, m.message_id AS id FROM messages m
    LEFT JOIN sessions s ON s.id = m.session_ref LEFT JOIN users u ON u.user_id = m.author_id
    WHERE m.chat_id = ? AND m.message_id > ? ORDER BY m.message_id LIMIT ?)"""

_IS_THERE: Final = "SELECT 1 FROM messages WHERE message_id = ? AND chat_id = ?"
# A text was replaced when the next one began; of the last one only the message itself knows.
_VERSIONS: Final = """SELECT ROW_NUMBER() OVER w, v.text,
    COALESCE(NULLIF(LEAD(v.since) OVER w, 0), m.edited_at, v.replaced_at)
    FROM message_versions v JOIN messages m USING (message_id) WHERE v.message_id = ?
    WINDOW w AS (ORDER BY v.since, v.version) ORDER BY 1"""

MESSAGE_FROM: Final = """messages m LEFT JOIN sessions s ON s.id = m.session_ref
    LEFT JOIN users u ON u.user_id = m.author_id"""

_USERS: Final = f"""SELECT CAST(json_group_array(json(item)) AS BLOB), MAX(user_id), COUNT(*) FROM (
    SELECT {_USER} AS item, u.user_id AS user_id FROM users u
    WHERE u.user_id > ? AND u.name <> '' ORDER BY u.user_id LIMIT ?)"""
_MORE_USERS: Final = "SELECT 1 FROM users WHERE user_id > ? AND name <> '' LIMIT 1"

BETWEEN: Final = b",\n"  # rows of a page; JSON text itself has no line ends

FEW_DIALOGS: Final = 500  # so many are looked through one by one; more are met often enough on the way
FEW_TO_SORT: Final = 2_000  # the same, for pages of dialogs


@dataclass(frozen=True, slots=True)
class Rows:
    """What a page is made of. `chosen_from`: the few rows that are looked through and sorted, without what is joined
    to them; empty when an index has the order."""

    source: str
    conditions: Conditions
    chosen_from: str = ""

    def after(self, order: Order, position: tuple[int, ...]) -> Rows:
        return replace(self, conditions=self.conditions.after(order, position))


def dialogs(
    storage: Storage, wanted: DialogFilter, order: DialogOrder, after: tuple[int, ...] | None, limit: int
) -> JsonPage:
    with storage.glance() as tx:
        rows = dialog_rows(tx, wanted, order)
        return page(tx, DIALOG, rows, filters.DIALOG_ORDERS[order], after, limit)


def dialog_rows(tx: Tx, wanted: DialogFilter, order: DialogOrder) -> Rows:
    """Where the wanted dialogs come from. SQLite does not know their numbers: left alone, it sorts a whole line."""
    conditions, indexed = filters.of_dialog(wanted), filters.indexed(wanted)
    if wanted.message_ids is not None:
        return Rows(DIALOG_FROM, conditions.without_index(indexed.values()), "dialogs d")
    across = filters.across(wanted, order)
    if not across:
        return Rows(DIALOG_FROM, conditions)
    for term in indexed.values():
        # With a limit it stays a query of its own, which nothing from outside turns to another index.
        which = f"SELECT d.chat_id FROM dialogs d WHERE {term} LIMIT {FEW_TO_SORT + 1}"
        count = tx.sql.execute(f"SELECT COUNT(*) FROM ({which})", conditions.values).fetchone()[0]
        if count <= FEW_TO_SORT:
            chosen = f"({which}) few CROSS JOIN dialogs d"
            return Rows(DIALOG_FROM, conditions.and_("d.chat_id = few.chat_id"), chosen)
    return Rows(DIALOG_FROM, conditions.without_index(across))


def messages_feed(
    storage: Storage, wanted: DialogFilter, order: MessageOrder, after: tuple[int, ...] | None, limit: int
) -> JsonPage:
    with storage.read() as tx:
        rows = message_rows(tx, wanted, order)
        return page(tx, message(tx), rows, filters.MESSAGE_ORDERS[order], after, limit)


def message(tx: Tx) -> str:
    """What a message is shown as. An instance without accounts pays one look at an empty table for a page."""
    return _EXTERNAL_MESSAGE if external.has_accounts(tx) else MESSAGE


def message_rows(tx: Tx, wanted: DialogFilter, order: MessageOrder) -> Rows:
    conditions = filters.of_message(wanted, order)
    on_dialog = filters.of_dialogs_of_messages(wanted)
    chosen = "" if wanted.message_ids is None else "messages m"
    if not on_dialog.terms:
        return Rows(MESSAGE_FROM, conditions, chosen)
    few = few_dialogs(tx, on_dialog)
    if few is not None:
        chosen = "json_each(:chats) few CROSS JOIN messages m"
        return Rows(MESSAGE_FROM, conditions.and_("m.chat_id = few.value", chats=few), chosen)
    which = f"SELECT 1 FROM dialogs d WHERE d.chat_id = m.chat_id AND {on_dialog.sql}"
    return Rows(MESSAGE_FROM, conditions.and_(f"EXISTS ({which})"), chosen)


def few_dialogs(tx: Tx, conditions: Conditions) -> str | None:
    """The wanted dialogs as a JSON list, when they are few."""
    found, count = tx.sql.execute(
        f"SELECT json_group_array(chat_id), COUNT(*) FROM"
        f" (SELECT d.chat_id FROM dialogs d WHERE {conditions.sql} LIMIT {FEW_DIALOGS + 1})",
        conditions.values,
    ).fetchone()
    return str(found) if count <= FEW_DIALOGS else None


def page(tx: Tx, item: str, rows: Rows, order: Order, after: tuple[int, ...] | None, limit: int) -> JsonPage:
    """A page of JSON, and the position of its last row while more rows follow.

    One statement: it asks for a row more than is shown, and that row is cut off again.
    """
    if after is not None:
        rows = rows.after(order, after)
    sql = page_sql(item, rows, order)
    items, positions = tx.sql.execute(sql, {**rows.conditions.values, "limit": limit + 1}).fetchone()
    if items is None:
        return JsonPage(b"[]", None, after)
    keys = positions.split(" ")
    more = len(keys) > limit
    last = tuple(int(key) for key in keys[limit - 1 if more else -1].split(","))
    if more:
        items = items[: items.rindex(BETWEEN)]
    return JsonPage(b"[%b]" % items, last if more else None, last)


def page_sql(item: str, rows: Rows, order: Order) -> str:
    position = " || ',' || ".join(order.keys)
    which = f"FROM {rows.source} WHERE {rows.conditions.sql} ORDER BY {order.by} LIMIT :limit"
    if rows.chosen_from:
        # Sorted first, as numbers: else the JSON of every row is made, and most of it thrown away.
        key = order.keys[-1]
        chosen = f"SELECT {key} AS key FROM {rows.chosen_from} WHERE {rows.conditions.sql}"
        which = (
            f"FROM ({chosen} ORDER BY {order.by} LIMIT :limit) chosen CROSS JOIN {rows.source}"
            f" WHERE {key} = chosen.key ORDER BY {order.by}"
        )
    # The items are JSON already: joined as they are, they are not parsed once more.
    return f"""SELECT CAST(group_concat(item, ',' || char(10)) AS BLOB), group_concat(position, ' ') FROM (
        SELECT {item} AS item, {position} AS position {which})"""


def dialog(storage: Storage, chat_id: int) -> str | None:
    with storage.read() as tx:
        row = tx.sql.execute(_ONE_DIALOG, (chat_id,)).fetchone()
        if row is None:
            return None
        dialog, crm, participants = row
        if (place := external.of_chat(tx, chat_id)) is not None:
            dialog = f'{dialog.removesuffix("}")},"external":{place}}}'
        sessions = session_pages.sessions(tx, chat_id)
        return f'{{"dialog":{dialog},"sessions":{sessions},"participants":{participants},"crm":{crm}}}'


def versions(storage: Storage, chat_id: int, message_id: int) -> list[MessageVersion] | None:
    with storage.read() as tx:
        if tx.sql.execute(_IS_THERE, (message_id, chat_id)).fetchone() is None:
            return None
        return [MessageVersion(*row) for row in tx.sql.execute(_VERSIONS, (message_id,))]


def excerpt(storage: Storage, chat_id: int, message_id: int | None) -> Excerpt | None:
    with storage.read() as tx:
        row = tx.sql.execute(
            f"SELECT d.line_id, {DIALOG} FROM {DIALOG_FROM} WHERE d.chat_id = ?", (chat_id,)
        ).fetchone()
        found = tx.sql.execute(
            f"SELECT {message(tx)} FROM {MESSAGE_FROM} WHERE m.message_id = ? AND m.chat_id = ?", (message_id, chat_id)
        ).fetchone()
    if row is None or (found is None and message_id is not None):
        return None
    return Excerpt(row[0], row[1], found[0] if found else None)


def messages(storage: Storage, chat_id: int, after: int, limit: int) -> JsonPage:
    with storage.read() as tx:
        items, last, count = tx.sql.execute(_MESSAGES.format(message(tx)), (chat_id, after, limit)).fetchone()
        more = (
            count == limit
            and tx.sql.execute(
                "SELECT 1 FROM messages WHERE chat_id = ? AND message_id > ? LIMIT 1", (chat_id, last)
            ).fetchone()
        )
    return JsonPage(items, (last,) if more else None)


def users(storage: Storage, after: int, limit: int) -> JsonPage:
    with storage.read() as tx:
        items, last, count = tx.sql.execute(_USERS, (after, limit)).fetchone()
        more = count == limit and tx.sql.execute(_MORE_USERS, (last,)).fetchone()
    return JsonPage(items, (last,) if more else None)


def counts(storage: Storage) -> dict[str, int]:
    """Dialogs are summed, not messages counted: a count of messages would read the whole table."""
    with storage.read() as tx:
        dialogs, messages, open_dialogs, complete = tx.sql.execute(
            "SELECT COUNT(*), COALESCE(SUM(message_count), 0), COALESCE(SUM(status = 'open'), 0),"
            " COUNT(*) - (SELECT COUNT(DISTINCT chat_id) FROM sessions"
            "  WHERE reconciled_at IS NULL OR reconciled_to < last_message_id) FROM dialogs"
        ).fetchone()
    return {"dialogs": dialogs, "messages": messages, "open_dialogs": open_dialogs, "complete_dialogs": complete}
