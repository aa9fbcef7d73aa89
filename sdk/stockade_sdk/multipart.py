"""Bodies of ``multipart/form-data`` (RFC 7578), as audio and image uploads want them.

Pure: the same fields give the same bytes, and reading them gives the fields. The reader is for
whole bodies whose size the caller has bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

_BOUNDARY: Final = b"stockade-form-2f9c1e70b6a84d53"  # where it does not occur in the content
MAX_FIELDS: Final = 256  # no API has as many; each costs memory beyond its bytes
MAX_HEAD_BYTES: Final = 8 * 1024  # of one field's headers
MAX_HEADERS: Final = 16  # of one field; a form has two kinds of them
MAX_PARAMETERS: Final = 16  # of one header; a form has two kinds of them
MAX_PADDING_BYTES: Final = 80  # white space after a boundary; mail had some, forms have none
_PLAIN: Final = frozenset({"binary", "8bit", "7bit"})  # RFC 7578, 4.7: nothing else is sent
_FILE_TYPE: Final = "application/octet-stream"  # of a file nobody said more about
_ESCAPES: Final = {  # as browsers write names (WHATWG HTML, "multipart/form-data encoding")
    ord("\n"): "%0A",
    ord("\r"): "%0D",
    ord('"'): "%22",
}


class FormField(NamedTuple):
    """One field; a name may come more than once. A file is one with a ``filename``."""

    name: str
    value: str | bytes
    filename: str | None = None
    content_type: str | None = None

    @property
    def data(self) -> bytes:
        """The value as bytes; text is UTF-8."""
        return self.value.encode() if isinstance(self.value, str) else self.value

    @property
    def text(self) -> str:
        """The value as text; bytes that are no UTF-8 are replaced."""
        if isinstance(self.value, str):
            return self.value
        return self.value.decode("utf-8", "replace")


def encode_form(fields: Sequence[FormField]) -> tuple[bytes, str]:
    """The body and its ``Content-Type``; the boundary occurs in no field.

    Names and file names keep their characters, but those that could end a header are escaped.
    Raises ValueError for a content type that could.
    """
    parts = [(_head(field), field.data) for field in fields]
    boundary = _unused_boundary(part for pair in parts for part in pair)
    pieces: list[bytes] = []
    for head, data in parts:
        pieces += [b"--", boundary, b"\r\n", head, b"\r\n\r\n", data, b"\r\n"]
    pieces += [b"--", boundary, b"--\r\n"]
    return b"".join(pieces), f"multipart/form-data; boundary={boundary.decode()}"


def decode_form(body: bytes, content_type: str) -> tuple[FormField, ...]:
    """The fields of a whole body, in order; files as bytes, the rest as text.

    Each byte is looked at a few times, whatever the form is like. Raises ValueError saying what is
    wrong: another content type, no boundary, a body that breaks off, a field without a name or
    with headers that no form has, text that is no UTF-8, more than ``MAX_FIELDS`` fields.
    """
    mark = b"\r\n--" + _boundary_of(content_type)
    if body.startswith(mark[2:]):
        at, last = _line_after(body, len(mark) - 2)
    else:  # after a preamble, which nobody reads
        at, last = _next(body, mark, 0, "the form has no field at its start")[1:]
    fields: list[FormField] = []
    while not last:
        if len(fields) == MAX_FIELDS:
            raise ValueError(f"the form has more than {MAX_FIELDS} fields")
        end, after, last = _next(body, mark, at, "the form breaks off")
        fields.append(_field(body, at, end))
        at = after
    return tuple(fields)


def _next(body: bytes, mark: bytes, at: int, missing: str) -> tuple[int, int, bool]:
    """Where the next boundary begins and its line ends, and whether it is the last. Raises
    ValueError(missing).
    """
    found = body.find(mark, at)
    if found < 0:
        raise ValueError(missing)
    return found, *_line_after(body, found + len(mark))


def _line_after(body: bytes, at: int) -> tuple[int, bool]:
    """Where the line of a boundary ends that ``at`` is the end of, and whether it is the last one.

    Raises ValueError where it goes on: no content begins a line with the boundary (RFC 2046, 5.1),
    and readers would not agree on what it is.
    """
    if body.startswith(b"--", at):
        return at, True
    end = body.find(b"\r\n", at, at + MAX_PADDING_BYTES)
    if end < 0 or body[at:end].strip(b" \t"):
        raise ValueError("the form breaks off, or its boundary occurs within a field")
    return end, False


def _boundary_of(content_type: str) -> bytes:
    kind, _, parameters = content_type.partition(";")
    boundary = _parameters(parameters).get("boundary", "")
    if kind.strip().lower() != "multipart/form-data" or not 1 <= len(boundary) <= 70:
        raise ValueError("the body is no form: multipart/form-data with a boundary")
    return boundary.encode("latin-1", "replace")


def _field(body: bytes, at: int, end: int) -> FormField:
    """The field between two boundaries; ``at`` is the end of the first one's line."""
    at += 2 if body.startswith(b"\r\n", at) else 0
    blank = body.find(b"\r\n\r\n", at, min(end, at + MAX_HEAD_BYTES + 4))
    lines = body[at : max(blank, at)].decode("utf-8", "replace").split("\r\n", MAX_HEADERS)
    if blank < 0 or len(lines) > MAX_HEADERS:
        raise ValueError("a field of the form has no headers, or too long ones")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), value.strip())
    said = _parameters(headers.get("content-disposition", "").partition(";")[2])
    if "name" not in said:
        raise ValueError("a field of the form has no name")
    kind, name = headers.get("content-type"), said["name"]
    if headers.get("content-transfer-encoding", "binary").lower() not in _PLAIN:
        raise ValueError(f"the field {name!r:.80} is encoded; forms carry bytes as they are")
    if kind is not None and kind.lower().startswith("multipart/"):
        raise ValueError(f"the field {name!r:.80} is a form itself; write each file as a field")
    filename, data = _filename(said), body[blank + 4 : end]
    if filename is not None:
        return FormField(name, data, filename, kind)
    try:
        return FormField(name, data.decode(), None, kind)
    except UnicodeDecodeError:
        raise ValueError(f"the field {name!r:.80} has no filename and is no UTF-8") from None


def _filename(said: dict[str, str]) -> str | None:
    """``filename``, or what older writers have for names beyond ASCII (RFC 5987)."""
    if "filename" in said or "filename*" not in said:
        return said.get("filename")
    from urllib.parse import unquote  # for the rare writer

    return unquote(said["filename*"].rpartition("'")[2])


def _parameters(text: str) -> dict[str, str]:
    """``name="value"; name=value``, quoted values with their semicolons and escapes. Raises
    ValueError for more than ``MAX_PARAMETERS``.
    """
    found: dict[str, str] = {}
    for _ in range(MAX_PARAMETERS):
        text = text.lstrip(" ;")
        if not text:
            return found
        name, _, text = text.partition("=")
        if text.startswith('"'):
            value, _, text = text[1:].partition('"')
            for code, escape in _ESCAPES.items():
                value = value.replace(escape, chr(code))
        else:
            value, _, text = text.partition(";")
            value = value.strip()
        found.setdefault(name.strip().lower(), value)
    if text.strip(" ;"):
        raise ValueError("a header of the form has too many parameters")
    return found


def _head(field: FormField) -> bytes:
    lines = [f'Content-Disposition: form-data; name="{_escaped(field.name)}"']
    if field.filename is not None:
        lines[0] += f'; filename="{_escaped(field.filename)}"'
    kind = field.content_type or (_FILE_TYPE if field.filename is not None else None)
    if kind is not None:
        if not kind.isascii() or not kind.isprintable():
            raise ValueError(f"{kind!r:.80} is no content type")
        lines.append(f"Content-Type: {kind}")
    return "\r\n".join(lines).encode("utf-8", "replace")


def _escaped(name: str) -> str:
    return name.translate(_ESCAPES)


def _unused_boundary(contents: Iterable[bytes]) -> bytes:
    """A boundary that is in none of ``contents``; a digest of them where the usual one is."""
    held = tuple(contents)
    boundary = _BOUNDARY
    while any(boundary in content for content in held):
        import hashlib  # for content that was made to hold the usual one

        digest = hashlib.sha256(boundary)
        for content in held:
            digest.update(content)
        boundary = b"stockade-form-" + digest.hexdigest()[:32].encode()
    return boundary
