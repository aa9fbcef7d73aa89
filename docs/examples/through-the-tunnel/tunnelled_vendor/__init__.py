"""A library that opens its own connections, here the standard one, behind the host's tunnel.

Use this for libraries that cannot be given an HTTP client. It costs protection: the plugin holds
the key, and the host sees who is talked to and not what is said.
"""

import asyncio
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from stockade_sdk import ChatRequest, ChatResponse, Context, ErrorKind, Provider, ProviderError
from stockade_sdk.dialects.failures import classify_error

# For a server in your own network: its authority, beside this module, besides the machine's own.
AUTHORITY = Path(__file__).with_name("authority.pem")
MAX_ANSWER_BYTES = 8 * 1024 * 1024


class TunnelledVendor(Provider):
    """Nothing here speaks of a tunnel: urllib, as most libraries do, goes by `HTTPS_PROXY`."""

    def __init__(self) -> None:
        self.tls = ssl.create_default_context()
        if AUTHORITY.exists():
            self.tls.load_verify_locations(AUTHORITY)

    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        """One answer, in the wire of OpenAI's chat."""
        messages = [{"role": one.role, "content": one.text} for one in request.messages]
        answer = await asyncio.to_thread(  # the library blocks, and other calls go on meanwhile
            self._post,
            f"{ctx.config['base_url']}/chat/completions",
            {"model": request.model or "example-chat", "messages": messages},
            ctx.secret("EXAMPLE_API_KEY"),
            ctx.deadline,
        )
        return ChatResponse.of_text(answer["choices"][0]["message"]["content"])

    def _post(self, url: str, body: Any, key: str, timeout_s: float) -> Any:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        asked = urllib.request.Request(url, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(asked, timeout=timeout_s, context=self.tls) as answer:
                return json.loads(answer.read(MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            said = error.read(MAX_ANSWER_BYTES)
            raise classify_error(error.code, error.headers, said) from error
        except TimeoutError as error:
            raise ProviderError(ErrorKind.TIMEOUT, "the vendor did not answer in time") from error
        except (
            OSError
        ) as error:  # the host's refusal as well: it names the line that would allow it
            raise ProviderError(ErrorKind.NETWORK, str(error)) from error
        except ValueError as error:
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "the answer is no JSON") from error
