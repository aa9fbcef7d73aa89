"""Forms of any kind: read within bounds, or refused in the client's dialect."""

import pytest

from stockade_sdk.audio import TranscriptionResponse
from tests.unit.host.gateway_media import Scripted, gateway

PATH = "/v1/audio/transcriptions"
HEAD = b'content-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav'
SOUND = b"--b\r\n" + HEAD + b"\r\n\r\nRIFFxxxxWAVE\r\n"
MODEL = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n'
FORM = "multipart/form-data; boundary=b"


def field(head: bytes, data: bytes = b"x") -> bytes:
    return b"--b\r\n" + head + b"\r\n\r\n" + data + b"\r\n"


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/mixed; boundary=b", 415),
        ("", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=" + "b" * 71, 400),
        ("multipart/form-data; " + "a=b; " * 50 + "boundary=b", 400),
    ],
)
async def test_a_body_that_is_no_form_is_refused_in_openais_words(content_type, status):
    serves = Scripted(TranscriptionResponse(text="x"))
    async with gateway(serves) as at:
        headers = {"content-type": content_type}
        answer = await at.post(PATH, content=SOUND + b"--b--", headers=headers)

    assert answer.status_code == status
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "multipart/form-data" in answer.json()["error"]["message"] or status == 400
    assert serves.asked == []


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no field at its start"),
        (SOUND, "breaks off"),
        (SOUND[:40], "breaks off"),
        (SOUND + SOUND + b"--b--", "'file' more than once"),
        (SOUND + MODEL + MODEL + b"--b--", "'model' more than once"),
        (SOUND + MODEL * 300 + b"--b--", "more than 256 fields"),
        (SOUND + field(b"x: y") + b"--b--", "no name"),
        (field(HEAD + b"\r\nx: " + b"y" * 9000) + b"--b--", "too long"),
        (field(HEAD + b"\r\nx: y" * 50) + b"--b--", "too long"),
        (field(HEAD + b"; a=b" * 50) + b"--b--", None),
        (field(HEAD + b"\r\ncontent-transfer-encoding: base64") + b"--b--", "is encoded"),
        (field(HEAD[:-9] + b"multipart/mixed; boundary=c") + b"--b--", "a form itself"),
        (field(b'content-disposition: form-data; name="model"', b"\xff") + b"--b--", "no UTF-8"),
        (field(HEAD, b"a\r\n--bx\r\nb") + b"--b--", "boundary occurs within a field"),
        (field(b'content-disposition: form-data; name="a"' + b"; p=q" * 50) + b"--b--", "many"),
    ],
)
async def test_a_broken_form_is_refused_with_what_is_wrong(body, said):
    serves = Scripted(TranscriptionResponse(text="x"))
    async with gateway(serves) as at:
        answer = await at.post(PATH, content=body, headers={"content-type": FORM})

    if said is None:  # only the parameters of Content-Disposition are read
        assert answer.status_code == 200
        return
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert serves.asked == []


async def test_older_writers_names_are_read():
    serves = Scripted(TranscriptionResponse(text="x"))
    head = b"content-disposition: form-data; name=file; filename*=UTF-8''T%C3%BCr.wav"
    async with gateway(serves) as at:
        body = field(head, b"RIFFxxxxWAVE") + b"--b--"
        answer = await at.post(PATH, content=body, headers={"content-type": FORM})

    assert answer.status_code == 200
    part = serves.asked[0].audio.provider_metadata["openai_audio"]["$part"]
    assert part["filename"] == "Tür.wav"


async def test_a_large_form_is_refused_by_its_length():
    async with gateway(Scripted(), max_body_bytes=1024) as at:
        answer = await at.post(PATH, files={"file": ("a.wav", b"x" * 2048, "audio/wav")})

    assert answer.status_code == 413


async def test_the_sound_comes_through_byte_for_byte():
    serves = Scripted(TranscriptionResponse(text="x"))
    sound = bytes(range(256)) * 4096 + b"\r\n--\r\n\r\n--almost"
    async with gateway(serves) as at:
        await at.post(PATH, files={"file": ("a.wav", sound, "audio/wav")})

    assert serves.asked[0].audio.data == sound
