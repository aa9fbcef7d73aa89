"""A vendor's own library, on the host's way out: its HTTP client is ours, its key a placeholder."""

from collections.abc import AsyncIterator
from typing import Any

import openai

from stockade_sdk import ChatRequest, Context, ErrorKind, Provider, ProviderError
from stockade_sdk.dialects.failures import classify_error
from stockade_sdk.http import httpx_client


class OpenAIBySdk(Provider):
    """`chat` is what the pieces of `stream_chat` add up to."""

    async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[str]:
        """Its text as it comes."""
        try:
            async with openai.AsyncOpenAI(
                api_key=ctx.secret("OPENAI_API_KEY"),  # the host puts the real one in its place
                http_client=httpx_client(ctx),
                max_retries=0,  # the host retries, and knows the deadline
            ) as client:
                messages: Any = [
                    {"role": message.role, "content": message.text} for message in request.messages
                ]
                answer = await client.chat.completions.create(
                    model=request.model or "gpt-5.4-mini", messages=messages, stream=True
                )
                async for chunk in answer:
                    for choice in chunk.choices:
                        if choice.delta.content:
                            yield choice.delta.content
        except openai.APIStatusError as error:
            raise classify_error(
                error.status_code, error.response.headers, error.response.content, provider="openai"
            ) from error
        except openai.APITimeoutError as error:
            raise ProviderError(ErrorKind.TIMEOUT, "OpenAI did not answer in time") from error
        except openai.APIConnectionError as error:
            raise ProviderError(ErrorKind.NETWORK, "OpenAI was not reached") from error
