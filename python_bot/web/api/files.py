"""`/api/files/<file_id>`: the content of an attachment, whole or a range of it."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, request, send_file
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from ...archive import Archive
from ...attachments import ContentStore
from ...attachments.naming import BINARY, content_type, safe_name
from ...model import StoredFile
from ..access import Access, sees_line
from ..errors import ApiError
from ..errors import answer as error_answer
from .params import refuse_unknown
from .wanted import MAX_ID

# Nothing in a file may run or load anything, even where a browser shows it.
_POLICY: Final = (
    "default-src 'none'; img-src 'self'; media-src 'self'; object-src 'self'; style-src 'unsafe-inline';"
    " frame-ancestors 'self'"
)


def blueprint(archive: Archive, contents: ContentStore, access: Access) -> Blueprint:
    api = Blueprint("files", __name__, url_prefix="/api/files")
    api.before_request(access.require_reader_of_a_line)

    @api.get("/<int:file_id>")
    def content(file_id: int) -> Response:
        refuse_unknown(request.args)
        file = archive.file(file_id) if file_id <= MAX_ID else None
        if file is None or not sees_line(archive.line_of(file.chat_id)):
            raise ApiError(404, "file_unknown", f"no message in the archive shows a file with the id {file_id}")
        if file.state != "stored":
            raise ApiError(404, "file_not_stored", _why_not(file))
        return answer_content(contents, file)

    return api


def answer_content(contents: ContentStore, file: StoredFile, *, save: bool = False) -> Response:
    """The content of a stored file, whole or a range of it; `save`: not to be shown.

    Raises ApiError 404 when it is gone from the disk.
    """
    kind = content_type(file.name)
    try:
        response = send_file(
            contents.path_of(file.hash),
            mimetype=kind,
            as_attachment=save or kind == BINARY,
            download_name=safe_name(file.name),
            etag=file.hash,
            last_modified=None,
            conditional=True,
        )
    except FileNotFoundError:
        raise ApiError(
            404, "file_missing", "the content was stored, but is gone from the disk; restore files/ from a backup"
        ) from None
    except RequestedRangeNotSatisfiable as error:
        refusal = error_answer(416, "range_not_satisfiable", f"the file has {error.length} bytes; ask for one range")
        refusal.headers["Content-Range"] = f"bytes */{error.length}"
        return refusal
    response.headers.pop("Last-Modified", None)  # of the copy on our disk: it says nothing about the file
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def _why_not(file: StoredFile) -> str:
    if file.state == "waiting":
        problem = f"; so far: {file.problem}" if file.problem else ""
        return f"the content is not downloaded yet{problem}; ask again later"
    if file.state == "failed":
        return f"the content could not be downloaded: {file.problem}; see botctl INSTANCE outbox"
    return "only the name and the size are archived; B24BOT_FILES=download fetches the contents, of known files too"
