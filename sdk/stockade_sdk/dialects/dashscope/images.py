"""Images: requests for a task, and what a task that succeeded has made."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.capability import RuntimeWarning
from stockade_sdk.chat import Image
from stockade_sdk.dialects.media import from_data_url, image_type, to_data_url
from stockade_sdk.dialects.media_usage import decode_usage, full_usage, usage_overlay
from stockade_sdk.dialects.overlay import Notes, Unreadable, difference, merged
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.image import ImageRequest, ImageResponse

from .overlay import kept, own
from .tasks import SUCCEEDED, decode_task, output_of

IMAGE_PATH: Final = "services/aigc/text2image/image-synthesis"
IMAGE_EDIT_PATH: Final = "services/aigc/image2image/image-synthesis"

_UNSAID: Final = ("quality", "background", "output_format")  # settings that this wire has not
_AUTO: Final = "auto"  # OpenAI's word for the vendor's choice, which here is to say nothing
_PLACED: Final = ("results", "task_id", "task_status")  # keys of the output with a canonical place


def image_path(request: ImageRequest) -> str:
    """Below ``/api/v1``: where the request goes."""
    return IMAGE_EDIT_PATH if request.images else IMAGE_PATH


def encode_image_request(
    request: ImageRequest, *, model: str | None = None
) -> tuple[dict[str, Any], tuple[RuntimeWarning, ...]]:
    """The JSON body, and warnings. ``model`` replaces the request's.

    Raises ProviderError(unsupported) for a mask: an edit without it would be another one.
    """
    if request.mask is not None:
        raise ProviderError(ErrorKind.UNSUPPORTED, "this vendor's image tasks take no mask")
    notes = Notes()
    for name in _UNSAID:
        if getattr(request, name) not in (None, _AUTO):
            notes.add("setting_dropped", f"this vendor's image tasks take no {name}")
    payload = _encode(request)
    chosen = model if model is not None else request.model
    if chosen is not None:
        payload = {"model": chosen, **payload}
    return merged(payload, own(request.provider_options)), tuple(notes.warnings)


def decode_image_request(payload: Any) -> ImageRequest:
    """A canonical request from this wire's JSON; raises ProviderError(invalid_request)."""
    match payload:
        case {"input": {"prompt": str(prompt)} as given}:
            pass
        case _:
            raise ProviderError(ErrorKind.INVALID_REQUEST, "input.prompt is no text")
    parameters = payload.get("parameters")
    said = parameters if isinstance(parameters, dict) else {}
    settings: dict[str, Any] = {
        name: said[name] for name in ("n", "seed") if type(said.get(name)) is int
    }
    if isinstance(said.get("style"), str):
        settings["style"] = said["style"]
    if isinstance(said.get("size"), str):
        settings["size"] = said["size"].replace("*", "x")
    images, model = given.get("images"), payload.get("model")
    urls = [url for url in images if isinstance(url, str)] if isinstance(images, list) else []
    request = ImageRequest(
        prompt=prompt,
        model=model if isinstance(model, str) else None,
        images=tuple(_image(url) for url in urls),
        **settings,
    )
    overlay = difference(_encode(request), payload, skip=("model",))
    return msgspec.structs.replace(request, provider_options=kept(overlay))


def decode_image_response(payload: Any, *, expected: int | None = None) -> ImageResponse:
    """The images of a task that succeeded, by the URLs under which the vendor keeps them for a day.

    Images that failed alone, and another number than ``expected``, are warnings. Raises what
    ``decode_task`` raises, ProviderError(malformed_response) where there is no image.
    """
    if decode_task(payload).status != SUCCEEDED:
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "the task has not made its images yet")
    try:
        return _decode(payload, expected)
    except Unreadable as error:
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, str(error)) from None


def encode_image_response(response: ImageResponse, *, task_id: str = "") -> dict[str, Any]:
    """The JSON of a task that succeeded."""
    overlay = own(response.provider_metadata)
    results = [_encode_result(response, at) for at in range(len(response.images))]
    failed = overlay.get("failed")
    output: dict[str, Any] = {"task_id": task_id or response.id or "", "task_status": SUCCEEDED}
    output["results"] = [*results, *(failed if isinstance(failed, list | tuple) else ())]
    payload = merged(
        {"output": output},
        {key: value for key, value in overlay.items() if key not in ("failed", "usage")},
    )
    usage = full_usage(response.usage, overlay.get("usage"))
    return {**payload, "usage": usage} if usage is not None else payload


def _encode(request: ImageRequest) -> dict[str, Any]:
    given: dict[str, Any] = {"prompt": request.prompt}
    if request.images:
        given["images"] = [_url(image) for image in request.images]
    size = request.size if request.size != _AUTO else None
    parameters = {
        "n": request.n,
        "size": size.replace("x", "*") if size is not None else None,
        "style": request.style,
        "seed": request.seed,
    }
    said = {name: value for name, value in parameters.items() if value is not None}
    return {"input": given, "parameters": said}


def _decode(payload: dict[str, Any], expected: int | None) -> ImageResponse:
    output, notes = output_of(payload), Notes()
    good, failed = _results(output)
    for item in failed:
        said = item.get("message") if isinstance(item, dict) else None
        notes.add("image_missing", f"one image was not made: {said or 'nobody says why'!s:.200}")
    if not good:
        raise Unreadable("the task succeeded, and has no image in it")
    if expected is not None and len(good) != expected:
        notes.add("image_count_mismatch", f"{expected} images were asked for, {len(good)} came")
    raw_usage = payload.get("usage")
    usage = decode_usage(raw_usage)
    overlay = difference({}, payload, drops=False, skip=("output", "usage"))
    rest = difference({}, output, drops=False, skip=_PLACED)
    for name, value in (
        ("output", rest),
        ("failed", failed),
        ("usage", usage_overlay(usage, raw_usage)),
    ):
        if value:
            overlay[name] = value
    prompts = tuple(_prompt(item) for item in good)
    return ImageResponse(
        images=tuple(_with_rest(item) for item in good),
        revised_prompts=prompts if any(prompts) else (),
        id=output["task_id"],
        usage=usage,
        warnings=tuple(notes.warnings),
        provider_metadata=kept(overlay),
    )


def _results(output: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    """The images that were made, and those that were not; newer models answer as in a chat."""
    results = output.get("results")
    if isinstance(results, list):
        good: list[dict[str, Any]] = []
        failed: list[Any] = []
        for item in results:
            is_image = isinstance(item, dict) and _is_url(item.get("url"))
            (good if is_image else failed).append(item)
        return good, failed
    found: list[dict[str, Any]] = []
    choices = output.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        match choice:
            case {"message": {"content": list(parts)}}:
                urls = [part.get("image") for part in parts if isinstance(part, dict)]
                found += [{"url": url} for url in urls if _is_url(url)]
    return found, []


def _with_rest(item: dict[str, Any]) -> Image:
    plain = {"url": item["url"], "actual_prompt": item.get("actual_prompt")}
    return Image(url=item["url"], provider_metadata=kept(difference(plain, item, drops=False)))


def _encode_result(response: ImageResponse, at: int) -> dict[str, Any]:
    image, prompts = response.images[at], response.revised_prompts
    item: dict[str, Any] = {"url": _url(image)}
    if at < len(prompts) and prompts[at] is not None:
        item["actual_prompt"] = prompts[at]
    return merged(item, own(image.provider_metadata))


def _prompt(item: dict[str, Any]) -> str | None:
    prompt = item.get("actual_prompt")
    return prompt if isinstance(prompt, str) else None


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _url(image: Image) -> str:
    if image.url is not None:
        return image.url
    data = image.data or b""
    return to_data_url(image.media_type or image_type(data), data)


def _image(url: str) -> Image:
    inline = from_data_url(url)
    return Image(url=url) if inline is None else Image(media_type=inline[0], data=inline[1])
