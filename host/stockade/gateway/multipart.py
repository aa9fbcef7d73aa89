"""Forms that clients upload: read whole, with every bound, and nothing of them on a disk."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from stockade_sdk.multipart import FormField, decode_form

from .call import Call
from .failures import Rejected
from .fields import invalid

FORM = b"multipart/form-data"


def is_form(call: Call) -> bool:
    """Whether a request says that its body is a form."""
    said = call.headers.get(b"content-type", b"")
    return said.partition(b";")[0].strip().lower() == FORM


async def form_of(call: Call, many: Collection[str] = ()) -> tuple[FormField, ...]:
    """The fields of a request's form; only those in ``many`` and those with names in ``[]`` come
    more than once. Raises Rejected, 415 where the body is no form, and ProviderError.
    """
    if not is_form(call):
        said = call.headers.get(b"content-type", b"").decode("latin-1")[:80]
        text = f"this is asked with a form (multipart/form-data), not with {said or 'no type'}"
        raise Rejected(415, text)
    body = await call.body()
    try:
        fields = decode_form(body, call.headers[b"content-type"].decode("latin-1"))
    except ValueError as error:
        raise invalid(str(error)) from None
    seen: set[str] = set()
    for field in fields:
        if field.name in seen and field.name not in many and not field.name.endswith("[]"):
            raise invalid(f"the form has {field.name[:80]!r} more than once")
        seen.add(field.name)
    return fields


def texts_of(fields: Sequence[FormField]) -> dict[str, Any]:
    """The fields that are no files, by name; of several the last."""
    return {field.name: field.text for field in fields if field.filename is None}
