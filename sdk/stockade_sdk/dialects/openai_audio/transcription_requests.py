"""Transcription requests as form fields, both ways."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from stockade_sdk.audio import TranscriptionRequest
from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import Audio
from stockade_sdk.dialects.form_text import as_text, fields_of, number_in
from stockade_sdk.dialects.json_text import finite
from stockade_sdk.dialects.overlay import Notes, difference, merged
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.multipart import FormField

from .formats import format_of, media_type_of
from .overlay import kept, own

TIMESTAMPS: Final = "timestamp_granularities[]"
TRANSLATION: Final = "translation"
AS: Final = "$as"
FILE: Final = "$part"  # name and content type of the client's file, where they say more

_TEXTS: Final = ("language", "prompt")
_BY_REFERENCE: Final = ("file_url", "file_id")  # Mistral
_SET_BY_US: Final = frozenset({"file", "model", "stream", *_BY_REFERENCE})
_NO_SOUND: Final = ("image/", "text/", "application/json", "application/pdf", "application/zip")
_LISTS: Final = frozenset({"timestamp_granularities", TIMESTAMPS})


def encode_form(
    request: TranscriptionRequest,
    *,
    model: str | None = None,
    stream: bool = False,
    formats: bool = True,
    by_reference: bool = False,
) -> tuple[tuple[FormField, ...], tuple[RuntimeWarning, ...]]:
    """The fields of the form, and warnings. ``model`` replaces the request's.

    ``formats`` is false for a vendor that knows no ``response_format`` (Mistral): timestamps ask
    the others for ``verbose_json``, which alone has them. ``by_reference`` is for those that fetch
    sound by URL or id; the others raise ProviderError(unsupported).
    """
    notes = Notes()
    overlay = own(request.provider_options)
    for name in sorted(overlay.keys() & _SET_BY_US):
        notes.add("provider_option_ignored", f"{name} is set by the request, not by its options")
    texts: dict[str, Any] = {}
    chosen = model if model is not None else request.model
    if chosen is not None:
        texts["model"] = chosen
    texts.update(encode_settings(request, formats=formats))
    if is_translation(request):
        _drop_for_translation(texts, notes)
    texts = merged(texts, {key: value for key, value in overlay.items() if key not in _SET_BY_US})
    if stream:
        texts["stream"] = "true"
    return (*_sound(request.audio, by_reference), *fields_of(texts)), tuple(notes.warnings)


def decode_form(fields: Iterable[FormField], *, translation: bool = False) -> TranscriptionRequest:
    """A canonical request from a client's form; raises ProviderError(invalid_request)."""
    texts: dict[str, Any] = {}
    sound: Audio | None = None
    for field in fields:
        if field.name == "file":
            sound = _uploaded(field)
        elif field.name in _LISTS or field.name.endswith("[]"):
            texts.setdefault(field.name, []).append(field.text)
        else:
            texts[field.name] = field.text
    sound = sound or _referenced(texts)
    if sound is None:
        raise ProviderError(ErrorKind.INVALID_REQUEST, "the form has no file")
    temperature = finite(number_in(texts.get("temperature")))
    settings: dict[str, Any] = {name: texts[name] for name in _TEXTS if name in texts}
    settings["timestamps"] = tuple(texts.get(TIMESTAMPS) or ())
    if temperature is not None:
        settings["temperature"] = temperature
    plain = TranscriptionRequest(audio=sound, **settings)
    overlay = difference(encode_settings(plain), texts, skip=_SET_BY_US)
    if translation:
        overlay[AS] = TRANSLATION
    return TranscriptionRequest(
        audio=sound, model=texts.get("model"), provider_options=kept(overlay), **settings
    )


def is_translation(request: TranscriptionRequest) -> bool:
    """Whether English is wanted whatever was spoken (``audio/translations``)."""
    return own(request.provider_options).get(AS) == TRANSLATION


def response_format(request: TranscriptionRequest, *, formats: bool = True) -> str:
    """The form in which the vendor will answer: ``json``, ``text``, ``srt``, ``vtt``, ..."""
    if not formats:
        return "json"
    asked = own(request.provider_options).get("response_format")
    if isinstance(asked, str):
        return asked
    return "verbose_json" if request.timestamps else "json"


def encode_settings(request: TranscriptionRequest, *, formats: bool = True) -> dict[str, Any]:
    """The settings that the request has, as text."""
    encoded: dict[str, Any] = {}
    for name in (*_TEXTS, "temperature"):
        value = getattr(request, name)
        if value is not None:
            encoded[name] = as_text(value)
    if request.timestamps:
        if formats:
            encoded["response_format"] = "verbose_json"
        encoded[TIMESTAMPS] = list(request.timestamps)
    return encoded


def _drop_for_translation(texts: dict[str, Any], notes: Notes) -> None:
    for name in ("language", TIMESTAMPS):
        if texts.pop(name, None) is not None:
            notes.add("setting_dropped", f"a translation takes no {name.removesuffix('[]')}")


def _sound(audio: Audio, by_reference: bool) -> tuple[FormField, ...]:
    if audio.data is not None:
        named = own(audio.provider_metadata).get(FILE)
        given = named if isinstance(named, dict) else {}
        format = audio.format or format_of(None, audio.data)
        name = given.get("filename") or _file_name(format)
        return (FormField("file", audio.data, name, given.get("type") or media_type_of(format)),)
    if not by_reference:
        raise ProviderError(
            ErrorKind.UNSUPPORTED, "this vendor takes the bytes of sound, no URL and no id"
        )
    return (
        FormField("file_url", audio.url) if audio.url else FormField("file_id", audio.id or ""),
    )


def _file_name(format: str | None) -> str:
    return "audio" if format is None else f"audio.{format}"


def _uploaded(field: FormField) -> Audio:
    if not field.data:
        raise ProviderError(ErrorKind.INVALID_REQUEST, "the file is empty")
    if field.filename is None:
        raise ProviderError(ErrorKind.INVALID_REQUEST, "file is text; send it with a filename")
    format = format_of(field.content_type, field.data, field.filename)
    if format is None and (field.content_type or "").lower().startswith(_NO_SOUND):
        raise ProviderError(
            ErrorKind.INVALID_REQUEST, f"the file is no sound but {field.content_type:.80}"
        )
    said = {"filename": field.filename, "type": field.content_type}
    plain = {"filename": _file_name(format), "type": media_type_of(format)}
    more = {key: value for key, value in said.items() if value and value != plain[key]}
    return Audio(
        data=field.data, format=format, provider_metadata=kept({FILE: more} if more else {})
    )


def _referenced(texts: dict[str, Any]) -> Audio | None:
    if texts.get("file_url"):
        return Audio(url=texts["file_url"])
    return Audio(id=texts["file_id"]) if texts.get("file_id") else None
