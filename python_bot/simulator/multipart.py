"""Forms with files in them (RFC 7578), read from a body that is in memory as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from urllib.parse import unquote


class BrokenForm(ValueError):
    """The body is not the form that its Content-Type promises."""


@dataclass(frozen=True, slots=True)
class FormFile:
    name: str
    type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Field:
    """One part: `file` is set when it came with a file name, else `text` is the value."""

    name: str
    text: str = ""
    file: FormFile | None = None


def read_form(headers: Message, body: bytes) -> list[Field]:
    """The parts of multipart/form-data in the order they came. Raises BrokenForm."""
    boundary = headers.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise BrokenForm("no boundary")
    mark = b"--" + boundary.encode()
    if not body.startswith(mark):
        raise BrokenForm("the body does not begin with the boundary")
    parts = (b"\r\n" + body).split(b"\r\n" + mark)[1:]
    if not parts or not parts[-1].startswith(b"--"):
        raise BrokenForm("the body does not end with the boundary")
    return [_field(part) for part in parts[:-1]]


def _field(part: bytes) -> Field:
    if not part.startswith(b"\r\n"):
        raise BrokenForm("a boundary that ends in the middle of a line")
    # A part without headers begins with the empty line itself.
    head, found, content = part[2:].partition(b"\r\n\r\n")
    if not found:
        raise BrokenForm("a part without an empty line after its headers")
    headers = BytesHeaderParser().parsebytes(_as_ascii(head))
    if headers.get_content_disposition() != "form-data":
        raise BrokenForm("a part that is no form-data")
    name = _text(headers.get_param("name", header="content-disposition"))
    if not name:
        raise BrokenForm("a part without a name")
    file_name = headers.get_filename()
    if file_name is None:
        try:
            return Field(name, content.decode())
        except UnicodeDecodeError as error:
            raise BrokenForm(f"the field {name!r} is not UTF-8") from error
    return Field(name, file=FormFile(_text(file_name), headers.get_content_type(), content))


def _as_ascii(head: bytes) -> bytes:
    """Browsers put UTF-8 into the quotes; the parser of mail headers wants none of it."""
    return b"".join(bytes([byte]) if byte < 128 else b"%%%02X" % byte for byte in head.replace(b"%", b"%25"))


def _text(value: object) -> str:
    if isinstance(value, tuple):  # name*=utf-8''%D0%…
        value = value[2]
    return unquote(str(value or ""))
