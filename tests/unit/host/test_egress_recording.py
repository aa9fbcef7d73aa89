"""What a recording keeps: no secret in any spelling, nothing of the account, whatever the cuts."""

import base64
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade.egress import Cleaner, Exchange, Part
from stockade.egress.recording import Recordings
from stockade.egress.targets import read_target

CANARY = 'canary/"é+7f3a91&c'
SPELLINGS = (
    CANARY.encode(),
    json.dumps(CANARY)[1:-1].encode(),
    json.dumps(CANARY, ensure_ascii=False)[1:-1].encode(),
    quote(CANARY, safe="").encode(),
    quote(CANARY, safe="").lower().encode(),
    CANARY.encode().hex().encode(),
    CANARY.encode().hex().upper().encode(),
)


def encoded(before, after, encode=base64.b64encode):
    """The canary inside a longer text in base64."""
    return encode(before + CANARY.encode() + after)


def readable(text):
    """All that base64 in a text says, from wherever one begins to read it."""
    for run in re.findall(rb"[A-Za-z0-9+/_-]+", text):
        for start in range(4):
            part = run[start:] + b"A" * (-len(run[start:]) % 4)
            yield base64.b64decode(part.replace(b"-", b"+").replace(b"_", b"/"))


def cut(data, cuts):
    at = sorted({min(one, len(data)) for one in cuts})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


noise = st.binary(max_size=8)
hidden = st.one_of(st.sampled_from(SPELLINGS), st.builds(encoded, noise, noise))
bodies = st.lists(st.one_of(noise, hidden), max_size=8).map(b"".join)


@given(bodies, st.lists(st.integers(0, 400), max_size=6))
def test_parts_are_cleaned_as_the_whole_is_however_they_were_cut(body, cuts):
    cleaner = Cleaner([CANARY])
    parts = [Part(at, data) for at, data in enumerate(cut(body, cuts))]

    cleaned = cleaner.parts(parts)

    assert b"".join(part.data for part in cleaned) == cleaner.whole(body)
    assert [part.at_ms for part in cleaned] == sorted(part.at_ms for part in cleaned)


@given(bodies)
def test_no_spelling_is_left(body):
    cleaned = Cleaner([CANARY]).whole(body)

    assert not any(form in cleaned for form in SPELLINGS)


@given(noise, noise, st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
def test_a_value_inside_base64_cannot_be_read_back(before, after, encode):
    body = b'{"a": "' + encode(before + CANARY.encode() + after) + b'"}'
    assert any(CANARY.encode() in said for said in readable(body))

    cleaned = Cleaner([CANARY]).whole(body)

    most = CANARY.encode()[1:-1]
    assert b"[redacted]" in cleaned
    assert not any(most[at : at + 4] in said for said in readable(cleaned) for at in range(12))


def test_parts_without_a_secret_stay_as_they_are():
    parts = (Part(1, b"data: a\n\n"), Part(7, b"data: b\n\n"))

    assert Cleaner([CANARY]).parts(parts) == parts


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (b"https://x/a?key=abc&b=1", b"https://x/a?key=[redacted]&b=1"),
        (b'"/i.png?Expires=1&Signature=a%2Bb"', b'"/i.png?Expires=1&Signature=[redacted]"'),
        (b"?X-Amz-Signature=00ff", b"?X-Amz-Signature=[redacted]"),
        (b'"https://x/?a=1\\u0026Signature=ab"', b'"https://x/?a=1\\u0026Signature=[redacted]"'),
        (b"client_secret=abc&scope=x", b"client_secret=[redacted]&scope=x"),
        (b'{"access_token": "ya29.x", "n": 1}', b'{"access_token": "[redacted]", "n": 1}'),
        (b'{"token": "Hello", "max_tokens": 1}', b'{"token": "Hello", "max_tokens": 1}'),
        (b"Incorrect API key: sk-abcdef0123456789", b"Incorrect API key: [redacted]"),
        (b"in organization org-A1b2C3d4E5f6G7h8 now", b"in organization [redacted] now"),
        (b'"request_id":"req_011CPabcdefgh"', b'"request_id":"[redacted]"'),
        (b"stk_placeholder_KEY_0123456789abcdef", b"[redacted]"),
        (b"a task-list; monkey=1; ?monkey=1", b"a task-list; monkey=1; ?monkey=1"),
    ],
)
def test_what_has_the_form_of_a_key_goes_whoevers_it_is(said, kept):
    assert Cleaner().whole(said) == kept


REQUEST = (
    ("Content-Type", "application/json"),
    ("anthropic-version", "2023-06-01"),
    ("Authorization", "Bearer stk_placeholder_K_0123456789abcdef"),
    ("x-api-key", "other"),
    ("cookie", "a=b"),
    ("user-agent", "me/1 (my machine)"),
    ("x-forwarded-for", "192.0.2.7"),
    ("openai-organization", "org-1"),
)
RESPONSE = (
    ("content-type", "application/json"),
    ("retry-after", "3"),
    ("set-cookie", "session=1"),
    ("x-request-id", "req_1"),
    ("openai-organization", "mine"),
    ("anthropic-organization-id", "mine"),
    ("cf-ray", "1-FRA"),
    ("date", "today"),
    ("x-whatever-comes-next", "mine"),
)


async def test_headers_are_kept_by_a_list_and_a_body_up_to_its_bound(monkeypatch):
    taken: list[Exchange] = []
    target = read_target("https://api.example.com/v1?key=k123&b=1")
    recording = Recordings("x", [CANARY], taken.append).begin("POST", target, REQUEST, b"{}")
    recording.answered(200, RESPONSE)
    for _ in range(9):
        recording.heard(b"x" * 1024 * 1024)
    recording.ended()
    recording.end("", "")

    (exchange,) = taken
    assert exchange.url == "https://api.example.com/v1?key=[redacted]&b=1"
    assert exchange.request_headers == (
        ("content-type", "application/json"),
        ("anthropic-version", "2023-06-01"),
    )
    assert exchange.response_headers == (("content-type", "application/json"), ("retry-after", "3"))
    assert sum(len(part.data) for part in exchange.parts) == 8 * 1024 * 1024
    assert (exchange.complete, exchange.shortened, exchange.status) == (True, True, 200)
