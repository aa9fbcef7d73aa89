"""A script: litellm and LangChain's ChatOpenAI as clients of a gateway; what they got, as JSON.

Arguments: the gateway's address and a token. A process of its own, for both take seconds to import
and warn of much.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

HELLO = [{"role": "user", "content": "how are you?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "of a place",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
}


def litellm_openai(address: str, token: str) -> dict[str, Any]:
    """As `openai/...`, the way its users point it at a compatible server."""
    import litellm

    where = {"api_base": f"{address}/v1", "api_key": token, "max_retries": 0}
    model = "openai/openai/gpt-4.1"
    whole = litellm.completion(model=model, messages=HELLO, **where)
    pieces = list(litellm.completion(model=model, messages=HELLO, stream=True, **where))
    return {
        "whole": whole.choices[0].message.content,
        "usage": whole.usage.total_tokens,
        "stream": "".join(one.choices[0].delta.content or "" for one in pieces),
        "finish": pieces[-1].choices[0].finish_reason,
    }


def litellm_anthropic(address: str, token: str) -> dict[str, Any]:
    """As `anthropic/...`, over the other dialect."""
    import litellm

    where = {"api_base": address, "api_key": token, "max_retries": 0}
    model = "anthropic/anthropic/claude-sonnet-5"
    whole = litellm.completion(model=model, messages=HELLO, **where)
    pieces = list(litellm.completion(model=model, messages=HELLO, stream=True, **where))
    return {
        "whole": whole.choices[0].message.content,
        "usage": whole.usage.total_tokens,
        "stream": "".join(one.choices[0].delta.content or "" for one in pieces),
        "finish": pieces[-1].choices[0].finish_reason,
    }


def litellm_failure(address: str, token: str) -> dict[str, Any]:
    """The class that it makes of an error."""
    import litellm

    try:
        litellm.completion(
            model="openai/nowhere-at-all", messages=HELLO, api_base=f"{address}/v1", api_key=token,
            max_retries=0,
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 (which one it is, is what is asked)
        return {"error": type(error).__name__, "message": str(error)}
    return {"error": None}


def langchain(address: str, token: str) -> dict[str, Any]:
    """Chat, and stream with its usage."""
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    chat = ChatOpenAI(
        model="openai/gpt-4.1", base_url=f"{address}/v1", api_key=SecretStr(token), max_retries=0,
        stream_usage=True,
    )  # fmt: skip
    whole: Any = chat.invoke("how are you?")
    pieces = list(chat.stream("how are you?"))
    total: Any = pieces[0]
    for piece in pieces[1:]:
        total += piece
    return {
        "whole": whole.content,
        "usage": whole.usage_metadata["total_tokens"],
        "stream": total.content,
        "stream_usage": total.usage_metadata["total_tokens"],
        "finish": total.response_metadata["finish_reason"],
    }


def langchain_of_another_vendor(address: str, token: str) -> dict[str, Any]:
    """Its stream, and a chat with a tool that is not called."""
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    chat = ChatOpenAI(
        model="gemini/gemini-2.5-flash",
        base_url=f"{address}/v1",
        api_key=SecretStr(token),
        max_retries=0,
    )
    pieces = list(chat.stream("how are you?"))
    bound = chat.bind_tools([TOOL]).invoke("how are you?")
    return {
        "stream": "".join(str(piece.content) for piece in pieces),
        "with_tools": bound.content,
    }


CLIENTS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    one.__name__: one
    for one in (
        litellm_openai, litellm_anthropic, litellm_failure, langchain, langchain_of_another_vendor,
    )
}  # fmt: skip


def said(client: Callable[[str, str], dict[str, Any]], address: str, token: str) -> dict[str, Any]:
    try:
        return client(address, token)
    except Exception as error:  # noqa: BLE001 (one that fails is told of beside the others)
        return {"raised": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    found = {name: said(client, *sys.argv[1:3]) for name, client in CLIENTS.items()}
    print("\n" + json.dumps(found))
