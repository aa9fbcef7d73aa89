"""No key in what is shown, whatever its shape and wherever it stands; words that are none stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockade_sdk.dialects.failures import classify_error, redact

BY_SHAPE = [
    "sk-proj-abcDEF123456",
    "sk-ant-api03-abc_DEF-123",
    "sk-or-v1-0123456789abcdef",
    "sk-abc123*****wxyz",
    "sk-sp-abcdef123456",
    "gsk_abcdefghijklmnop1234",
    "xai-abcdefghijklmnop1234",
    "pplx-abcdefghijklmnop1234",
    "hf_abcdefghijklmnopqrstuv",
    "csk-abcdefghijklmnop1234",
    "nvapi-abcd-efgh_ijklmnop1234",
    "r8_abcdefghijklmnop1234",
    "AIzaSyA-0123456789_abcdefg",
    "AKIAIOSFODNN7EXAMPLE",
    "ya29.a0AfH6SMBx-abc_def",
    "eyJhbGciOiJI.eyJzdWIiOi.SflKxw",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "0123456789abcdef0123456789abcdef",
    "0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOp",
    "A1b2C3d4E5f6A1b2C3d4E5f6A1b2C3d4E5f6A1b2",
    "bad-key-**********test",
]
BY_PLACE = [
    "Incorrect API key provided: {}. You can find yours at https://example.com",
    "API key '{}' is not valid",
    'headers {{"api_key": "{}", "x": 1}}',
    "{{'x-api-key': '{}'}}",
    '{{\\"apiKey\\":\\"{}\\"}}',
    "Authorization: Bearer {}",
    "authorization={}",
    '"Authorization":"Basic {}"',
    "Bearer {}",
    "GET https://example.com/v1/models?alt=sse&key={}&x=1 failed",
    "https://example.com/v1?access_token={}",
    "https://user:{}@example.com/v1",
    "client_secret: {}",
    "password={};",
    "Ocp-Apim-Subscription-Key: {}",
]
PLACED = "hunter22-swordfish9"  # no shape that anyone could know


@pytest.mark.parametrize("key", BY_SHAPE)
@pytest.mark.parametrize(
    "around", ["{}", "bad {}!", "({})", "密钥{}无效", "x={}", '"{}"', "{}\n{}"]
)
def test_a_key_is_known_by_its_shape(key, around):
    assert key not in redact(around.replace("{}", key))


@pytest.mark.parametrize("around", BY_PLACE)
@pytest.mark.parametrize("key", [PLACED, BY_SHAPE[0]])
def test_a_key_is_known_by_where_it_stands(around, key):
    shown = redact(around.format(key))

    assert key not in shown
    assert "[redacted]" in shown
    if "example.com" in around:
        assert "example.com" in shown


def test_nothing_of_a_private_key_is_left():
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIabc+/x\nyz\n-----END RSA PRIVATE KEY-----"

    assert redact(f"a {key} b") == "a [redacted] b"


@pytest.mark.parametrize(
    "text",
    [
        "The model `deepseek-r1-distill-llama-70b-instruct-v2` does not exist",
        "models/gemini-2.5-flash-preview-09-2025 and xai-grok-4-fast-reasoning",
        "pplx-70b-online, claude-sonnet-4-5-20250929, accounts/fireworks/models/llama-v3p1-405b",
        "Rate limit reached for gpt-4o-mini-2024-07-18 in organization org-a on tokens per min",
        "key_limit_exceeded: see https://openrouter.ai/settings/keys",
        "You need to provide your API key in an Authorization header using Bearer auth",
        "Authorization: Bearer YOUR_KEY",
        "You didn't provide an API key. Get a basic understanding of secrets first.",
        "API keys are not supported by this API. Expected OAuth2 access token or other",
        "risk-averse desk-bound people",
        "request req_011CeCGmMJJGRCp7xgjqapmJ, id d7859a78-9d8f-44f2-9cab-0222b87b74de",
        "Item 'rs_68c42de022c881948db7ed1cc2529f2e0202c9ad459e0d23' of type 'reasoning'",
        "This model's maximum context length is 128000 tokens, you asked for 1280001",
        "https://ai.google.dev/gemini-api/docs/rate-limits?hl=en#usage",
    ],
)
def test_words_that_are_no_keys_stay(text):
    assert redact(text) == text


@pytest.mark.parametrize("key", BY_SHAPE)
def test_neither_message_nor_code_of_an_error_has_a_key(key):
    for body in (f"bad {key}", {"error": f"({key})"}, {"error": {"code": key}}, {"odd": [key]}):
        error = classify_error(400, {}, body)

        assert key not in f"{error} {error.code}"


def test_a_key_across_the_end_of_what_is_shown_is_not_shown_in_part():
    key = "sk-proj-" + "A1b2C3d4" * 10

    for before in range(400, 520):
        assert "A1b2" not in classify_error(400, {}, "x " * (before // 2) + key).message


keys = st.from_regex(r"sk-[A-Za-z0-9_-]{20,60}", fullmatch=True)


@given(before=st.text(max_size=30), key=keys, after=st.text(max_size=30))
def test_text_around_a_key_never_hides_it(before, key, after):
    assert key not in redact(f"{before} {key} {after}")


@given(st.text(max_size=200))
def test_what_was_redacted_stays_as_it_is(text):
    once = redact(text)

    assert redact(once).replace("[redacted]", "") == once.replace("[redacted]", "")
