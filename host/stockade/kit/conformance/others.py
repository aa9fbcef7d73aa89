"""Checks of what is not chat: embeddings, ranks, pictures, sound, lists of models, health."""

from __future__ import annotations

from math import isfinite
from typing import Any

from stockade.kit.wires import asking_of
from stockade_sdk.capability import Capability
from stockade_sdk.embedding import EmbeddingRequest
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.provider import Method

from .requests import DOCUMENTS, basic, marked
from .subject import Subject
from .values import NotApplicable, Unmet, unmet


async def embeddings(subject: Subject) -> str:
    model = subject.model(Capability.EMBEDDING)
    texts = (marked("embedding.order"), "second", "third")
    script = subject.script("embedding.order")
    vectors = (await subject.ask(EmbeddingRequest.of_texts(*texts, model=model))).embeddings
    if len(vectors) != len(texts):
        raise unmet(f"{len(texts)} vectors", f"there are {len(vectors)}")
    if len({len(vector) for vector in vectors}) != 1 or not vectors[0]:
        raise unmet("vectors of one length", f"{[len(vector) for vector in vectors]}")
    if not all(isfinite(number) for vector in vectors for number in vector):
        raise Unmet("expected finite numbers; some are not")
    if subject.playing.speaks:
        swapped = EmbeddingRequest.of_texts(texts[0], texts[2], texts[1], model=model)
        turned = (await subject.ask(swapped)).embeddings
        if (turned[0], turned[1], turned[2]) != (vectors[0], vectors[2], vectors[1]):
            raise Unmet("expected vectors in the order of their texts; they came in another")
    if subject.asks_vendors and not script.asked:
        raise Unmet("expected a request to the vendor with the texts; none came")
    return ""


async def dimensions(subject: Subject) -> str:
    subject.need_wire()
    script = subject.script("embedding.dimensions")
    model = subject.model(Capability.EMBEDDING)
    text = marked("embedding.dimensions")
    request = EmbeddingRequest(input=(text,), model=model, dimensions=4)
    try:
        answer = await subject.ask(request)
    except ProviderError as error:
        if error.kind in (ErrorKind.UNSUPPORTED, ErrorKind.INVALID_REQUEST) and not script.asked:
            raise NotApplicable(f"the plugin says that it takes none: {error}") from error
        raise
    asked = asking_of(script.asked[-1]) if script.asked else None
    if asked is not None and asked.dimensions != 4:
        told = any(warning.code for warning in answer.warnings)
        if told:
            return ""
        raise unmet("4 dimensions at the vendor, or a warning", f"it got {asked.dimensions}")
    return ""


async def ranks(subject: Subject) -> str:
    subject.script("rerank.order")
    model = subject.model(Capability.RERANK)
    request = basic(Capability.RERANK, model, marked("rerank.order", "who opens a door?"))
    results = (await subject.ask(request)).results
    places = [result.index for result in results]
    if sorted(places) != list(range(len(DOCUMENTS))):
        raise unmet(f"each of {len(DOCUMENTS)} documents once", f"indexes {places}")
    scores = [result.score for result in results]
    if scores != sorted(scores, reverse=True):
        raise unmet("the best first", f"scores {scores}")
    return ""


async def images(subject: Subject) -> str:
    answer = await _basic(subject, "image_gen.image", Capability.IMAGE_GEN)
    if not answer.images or not all(image.data or image.url for image in answer.images):
        raise unmet("a picture with data or a URL", f"{answer.images}")
    return ""


async def speech(subject: Subject) -> str:
    answer = await _basic(subject, "audio_tts.speech", Capability.AUDIO_TTS)
    if not (answer.audio.data or answer.audio.url):
        raise unmet("sound with data or a URL", f"{answer.audio}")
    return ""


async def transcription(subject: Subject) -> str:
    answer = await _basic(subject, "audio_stt.text", Capability.AUDIO_STT)
    if not answer.text:
        raise Unmet("expected the text that the vendor sent; the answer has none")
    return ""


async def _basic(subject: Subject, check: str, capability: Capability) -> Any:
    script = subject.script(check)
    answer = await subject.ask(basic(capability, subject.model(capability), marked(check)))
    if subject.asks_vendors and not script.asked:
        raise Unmet("expected a request to the vendor with the prompt in it; none came")
    return answer


async def models(subject: Subject) -> str:
    found = await _if_there(subject, Method.LIST_MODELS)
    if not found:
        raise Unmet("expected the models that the vendor lists; none came")
    ids = [model.id for model in found]
    if len(set(ids)) != len(ids):
        raise unmet("each model once", f"{sorted(ids)}")
    return ""


async def health(subject: Subject) -> str:
    report = await _if_there(subject, Method.CHECK_HEALTH)
    if not report.ok:
        raise unmet("ok, for the vendor is well", f"the report says {report.detail!r}")
    return ""


async def sick(subject: Subject) -> str:
    usual = subject.desk.usual
    before = usual.answer
    usual.answer = lambda asked: subject.playing.failure(asked, 401, "the key is wrong")
    count = len(usual.asked)
    try:
        report = await _if_there(subject, Method.CHECK_HEALTH)
    except ProviderError as error:
        if error.kind is not ErrorKind.AUTH:
            raise unmet("an error of the kind auth", f"it is {error}") from error
        return ""
    finally:
        usual.answer = before
    if len(usual.asked) == count:
        raise NotApplicable("check_health asks the vendor nothing")
    if report.ok:
        raise Unmet("expected not ok, for the vendor refused the key; the report says ok")
    return ""


async def _if_there(subject: Subject, method: Method) -> Any:
    try:
        return await subject.call(method)
    except ProviderError as error:
        if error.kind is ErrorKind.UNSUPPORTED:
            raise NotApplicable(f"the plugin has no {method.value}") from error
        raise
