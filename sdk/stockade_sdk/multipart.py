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

    Raises ValueError saying what is wrong: another content type, no boundary, a body that breaks
    off, a field without a name, more than ``MAX_FIELDS`` of them.
    """
    mark = b"--" + _boundary_of(content_type)
    start, opened, rest = body.partition(mark)
    if not opened or (start and not start.endswith(b"\r\n")):
        raise ValueError("the form has no field at its start")
    fields: list[FormField] = []
    while not rest.startswith(b"--"):
        part, closed, rest = rest.partition(b"\r\n" + mark)
        if not closed:
            raise ValueError("the form breaks off")
        if len(fields) == MAX_FIELDS:
            raise ValueError(f"the form has more than {MAX_FIELDS} fields")
        fields.append(_field(part))
    return tuple(fields)


def _boundary_of(content_type: str) -> bytes:
    kind, _, parameters = content_type.partition(";")
    boundary = _parameters(parameters).get("boundary", "")
    if kind.strip().lower() != "multipart/form-data" or not 1 <= len(boundary) <= 70:
        raise ValueError("the body is no form: multipart/form-data with a boundary")
    return boundary.encode("latin-1", "replace")


def _field(part: bytes) -> FormField:
    head, blank, data = part.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if not blank or len(head) > MAX_HEAD_BYTES:
        raise ValueError("a field of the form has no headers, or too long ones")
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    said = _parameters(headers.get("content-disposition", "").partition(";")[2])
    if "name" not in said:
        raise ValueError("a field of the form has no name")
    filename, kind = said.get("filename"), headers.get("content-type")
    if filename is None:
        return FormField(said["name"], data.decode("utf-8", "replace"), None, kind)
    return FormField(said["name"], data, filename, kind)


def _parameters(text: str) -> dict[str, str]:
    """``name="value"; name=value``, quoted values with their semicolons and escapes."""
    found: dict[str, str] = {}
    while text.strip(" ;"):
        name, _, text = text.lstrip(" ;").partition("=")
        if text.startswith('"'):
            value, _, text = text[1:].partition('"')
            for code, escape in _ESCAPES.items():
                value = value.replace(escape, chr(code))
        else:
            value, _, text = text.partition(";")
        found.setdefault(name.strip().lower(), value)
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
