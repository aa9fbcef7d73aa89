"""`/v1/models` as OpenAI's and as Anthropic's clients see it, and what nobody counts."""

import pytest

from stockade_sdk.capability import Capability
from tests.unit.host.gateway_media import Scripted, gateway, model

LISTED = (
    model("openai", "gpt-5", Capability.CHAT, name="GPT-5", context_tokens=400_000),
    model("openai", "text-embedding-3", Capability.EMBEDDING),
    model("openrouter", "meta/llama-4", Capability.CHAT, aliases=("llama",)),
    model("groq", "gpt-5"),
)
NAMES = ("fast", "writers/best")
ANTHROPIC = {"anthropic-version": "2023-06-01"}


def host() -> Scripted:
    return Scripted(models=LISTED, aliases=NAMES)


async def test_all_that_a_request_may_name_is_listed_with_what_is_known():
    async with gateway(host()) as at:
        answer = await at.get("/v1/models")

    payload = answer.json()
    assert payload["object"] == "list"
    assert [one["id"] for one in payload["data"]] == [
        "auto",
        "fast",
        "writers/best",
        "openai/gpt-5",
        "openai/text-embedding-3",
        "openrouter/meta/llama-4",
        "groq/gpt-5",
    ]
    assert payload["data"][3] == {
        "id": "openai/gpt-5",
        "object": "model",
        "created": 0,
        "owned_by": "openai",
        "name": "GPT-5",
        "context_length": 400_000,
    }


async def test_where_there_is_no_model_nothing_is_listed():
    async with gateway(Scripted(aliases=NAMES)) as at:
        assert (await at.get("/v1/models")).json()["data"] == []
        assert (await at.get("/v1/models/auto")).status_code == 404


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("openai/gpt-5", "openai/gpt-5"),
        ("openrouter/meta/llama-4", "openrouter/meta/llama-4"),
        ("openrouter%2Fmeta%2Fllama-4", "openrouter/meta/llama-4"),
        ("meta/llama-4", "openrouter/meta/llama-4"),
        ("llama", "openrouter/meta/llama-4"),
        ("fast", "fast"),
        ("writers/best", "writers/best"),
        ("auto", "auto"),
        ("embedding", "embedding"),
    ],
)
async def test_one_is_found_by_any_name_that_a_request_may_give_it(asked, found):
    async with gateway(host()) as at:
        answer = await at.get(f"/v1/models/{asked}")

    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["object"]) == (found, "model")


async def test_an_unknown_name_is_told_of_likely_ones():
    async with gateway(host()) as at:
        answer = await at.get("/v1/models/openai/gpt-6")

    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == "model_not_found"
    assert "openai/gpt-5" in error["message"]


async def test_a_name_of_several_is_told_of_both():
    async with gateway(host()) as at:
        answer = await at.get("/v1/models/gpt-5")

    assert answer.status_code == 400
    assert "openai/gpt-5, groq/gpt-5" in answer.json()["error"]["message"]


async def test_anthropics_clients_see_what_may_chat():
    async with gateway(host()) as at:
        payload = (await at.get("/v1/models", headers=ANTHROPIC)).json()

    assert [one["id"] for one in payload["data"]] == [
        "auto", "fast", "writers/best", "openai/gpt-5", "openrouter/meta/llama-4", "groq/gpt-5",
    ]  # fmt: skip
    assert (payload["has_more"], payload["first_id"], payload["last_id"]) == (
        False, "auto", "groq/gpt-5",
    )  # fmt: skip
    assert payload["data"][3] == {
        "type": "model",
        "id": "openai/gpt-5",
        "display_name": "GPT-5",
        "created_at": "1970-01-01T00:00:00Z",
        "max_input_tokens": 400_000,
    }


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ("limit=2", ["auto", "fast"], True),
        ("limit=2&after_id=fast", ["writers/best", "openai/gpt-5"], True),
        ("limit=9&after_id=openai/gpt-5", ["openrouter/meta/llama-4", "groq/gpt-5"], False),
        ("after_id=groq%2Fgpt-5", [], False),
        ("limit=2&before_id=openai/gpt-5", ["fast", "writers/best"], True),
        ("before_id=fast", ["auto"], False),
    ],
)
async def test_anthropics_clients_turn_pages(query, ids, more):
    async with gateway(host()) as at:
        payload = (await at.get(f"/v1/models?{query}", headers=ANTHROPIC)).json()

    assert [one["id"] for one in payload["data"]] == ids
    assert payload["has_more"] is more
    assert payload["last_id"] == (ids[-1] if ids else None)


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/models/none", 404, "not_found_error"),
        ("/v1/models?limit=0", 400, "invalid_request_error"),
        ("/v1/models?limit=many", 400, "invalid_request_error"),
        ("/v1/models?after_id=none", 400, "invalid_request_error"),
        ("/v1/models?" + "a=1&" * 99, 400, "invalid_request_error"),
    ],
)
async def test_anthropics_clients_are_told_of_errors_in_their_own_words(path, status, kind):
    async with gateway(host()) as at:
        answer = await at.get(path, headers=ANTHROPIC)

    assert answer.status_code == status
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == kind


async def test_tokens_are_not_counted_and_anthropics_clients_are_told_so():
    async with gateway(host()) as at:
        answer = await at.post("/v1/messages/count_tokens", json={"messages": []})

    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"
    assert "not counted here" in answer.json()["error"]["message"]


async def test_another_method_is_told_which_one_is_right():
    async with gateway(host()) as at:
        answers = [
            await at.post("/v1/models", json={}),
            await at.get("/v1/embeddings"),
            await at.client.delete("/v1/models/fast"),
        ]

    assert [answer.status_code for answer in answers] == [405] * 3
    assert answers[1].headers["allow"].startswith("POST")
