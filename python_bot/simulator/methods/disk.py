"""disk.file.get and the short-lived link it gives."""

from __future__ import annotations

from typing import Any, Final

from ..call import Ctx, Method, RestError, table
from ..clock import iso


def file_get(ctx: Ctx) -> dict[str, Any]:
    if not ctx.int("ID"):
        raise RestError(400, "ERROR_ARGUMENT", "Argument 'id' is null or empty", {"argument": "id"})
    file = ctx.core.files.get(ctx.int("ID"))
    if file is None:
        raise RestError(404, "ERROR_NOT_FOUND", f"Could not find entity with id `{ctx.text('ID')}`.")
    if not ctx.sees(ctx.core.chats[file.chat_id]):
        raise RestError(403, "ACCESS_DENIED", "Access denied")
    return {
        "ID": str(file.file_id),
        "NAME": file.name,
        "TYPE": "file",
        "SIZE": str(len(file.content)),
        "CREATE_TIME": iso(file.date),
        "CREATED_BY": str(file.author_id),
        "DOWNLOAD_URL": ctx.core.downloads.disk_link(file, ctx.caller.token),
        "DETAIL_URL": f"{ctx.core.url}/docs/file/{file.file_id}/",
    }


METHODS: Final = table(Method("disk.file.get", file_get, scope="disk"))
