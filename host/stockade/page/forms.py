"""What a browser sends: forms and query strings, read within bounds. Not what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from stockade.errors import UsageError

MAX_FORM_BYTES = 64 * 1024
MAX_FIELDS = 512  # 64 targets with their marks, and the permissions of a large manifest
FORM_TYPE = "application/x-www-form-urlencoded"

T = TypeVar("T")


class Wrong(UsageError):
    """Input that the page itself refuses: `key` is a sentence of the catalogue, `status` HTTP's."""

    def __init__(self, key: str, /, *, status: int = 400, **args: object) -> None:
        super().__init__(key)
        self.key = key
        self.status = status
        self.args_shown = args


class Form:
    """The fields of a form or a query, in order; a field may come more than once."""

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self.pairs = tuple(pairs)

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.pairs)

    def text(self, name: str, default: str = "") -> str:
        """The last value of that name without blanks around it."""
        values = self.all(name)
        return values[-1] if values else default

    def raw(self, name: str) -> str:
        """The last value of that name as it was sent: for keys."""
        return next((value for key, value in reversed(self.pairs) if key == name), "")

    def all(self, name: str) -> list[str]:
        """Every value of that name without blanks around it, empty ones left out."""
        return [value.strip() for key, value in self.pairs if key == name and value.strip()]

    def whole(self, name: str, *, low: int, high: int, default: int) -> int:
        """A whole number; Wrong where it is none or out of bounds."""
        written = self.text(name)
        if not written:
            return default
        try:
            number = int(written) if len(written) <= len(str(high)) + 1 else high + 1
        except ValueError:
            raise Wrong("errors.number", field=name, low=low, high=high) from None
        if not low <= number <= high:
            raise Wrong("errors.number", field=name, low=low, high=high)
        return number

    def seconds(self, name: str, *, high: int) -> float | None:
        """A length of time above 0; None where the field is empty."""
        written = self.text(name)
        if not written:
            return None
        try:
            number = float(written)
        except ValueError:
            raise Wrong("errors.seconds", field=name, high=high) from None
        if not 0 < number <= high:
            raise Wrong("errors.seconds", field=name, high=high)
        return number


def parse(raw: bytes) -> Form:
    """The fields of a query or a form's body. Raises Wrong."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=MAX_FIELDS,
            errors="strict",
        )
    except (ValueError, UnicodeError):
        raise Wrong("errors.form") from None
    if any("\x00" in part for pair in pairs for part in pair):
        raise Wrong("errors.form")
    return Form(pairs)


async def read_form(request: Request) -> Form:
    """The body as a form. Raises Wrong; reads no more than `MAX_FORM_BYTES`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM_TYPE:
        raise Wrong("errors.form_type", status=415)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM_BYTES:
                raise Wrong("errors.form_large", status=413, kib=MAX_FORM_BYTES // 1024)
    except ClientDisconnect:
        raise Wrong("errors.form") from None
    return parse(bytes(body))


def given(kind: type[T], **fields: object) -> T:
    """A value of the admin API from a form's fields. Raises UsageError."""
    try:
        return msgspec.convert(fields, kind)
    except msgspec.ValidationError as error:
        raise UsageError("the form holds something unusable", why=str(error)) from None
