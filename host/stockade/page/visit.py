"""One request to the page as the views see it: who asks, in which language, with what; and how
they answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import quote, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from stockade.admin import Operator
from stockade.admin.failures import STATUSES
from stockade.errors import HostError

from .forms import Form, Wrong
from .guard import UNCACHED
from .language import Words
from .rendering import Rendering
from .sessions import Session
from .telling import Telling

CAPABILITIES = ("chat", "vision", "embedding", "image_gen", "audio_stt", "audio_tts", "rerank")


class Problem(msgspec.Struct, frozen=True):
    """Why something was not done, for the head of the page."""

    what: str
    why: str = ""
    remedy: str = ""


class Visit:
    """A request and its answer. `query` is what stands in the URL, `form` what was posted."""

    def __init__(
        self,
        request: Request,
        operator: Operator,
        rendering: Rendering,
        *,
        words: Words,
        theme: str,
        now: float,
        query: Form,
    ) -> None:
        self.request = request
        self.operator = operator
        self.words = words
        self.theme = theme
        self.now = now
        self.query = query
        self.form = Form()
        self.session: Session | None = None
        self.problem: Problem | None = None
        self.status = 200
        self._rendering = rendering

    @property
    def name(self) -> str:
        """The `{name}` of the path."""
        return str(self.request.path_params.get("name", ""))

    @property
    def here(self) -> str:
        """Where this is, to come back to: never with a token, nor with a language to insist on."""
        pairs = [pair for pair in self.query.pairs if pair[0] not in ("token", "lang")]
        path = quote(self.request.scope["path"])
        return f"{path}?{urlencode(pairs)}" if pairs and self.request.method == "GET" else path

    def typed(self, name: str, default: object = "") -> object:
        """What was typed into a field, where its form is shown again. Never asked for keys."""
        return self.form.text(name) if name in self.form else default

    def fail(self, error: HostError) -> None:
        """Show this error on the page that comes."""
        self.status = status_of(error)
        self.problem = problem_of(error, self.words)

    def fragment(self, template: str, /, **values: object) -> HTMLResponse:
        """A template alone, or a piece of a page."""
        told = {
            "visit": self,
            "t": self.words,
            "tell": Telling(self.words, self.now),
            "csrf": self.session.csrf if self.session else "",
            **values,
        }
        html = self._rendering.render(template, told)
        return HTMLResponse(html, self.status, UNCACHED)

    async def page(self, template: str, tab: str = "", /, **values: object) -> HTMLResponse:
        """A whole page with the host's state at its head."""
        signed_in = self.session is not None
        return self.fragment(
            template,
            tab=tab,
            host=await self.operator.status() if signed_in else None,
            notices=self.session.take_notices() if self.session else [],
            **values,
        )

    def go(
        self,
        path: str,
        notice: str = "",
        query: list[tuple[str, str]] | None = None,
        **args: object,
    ) -> Response:
        """Done: on to another page, which shows the notice (a key of the catalogue)."""
        if notice and self.session is not None:
            self.session.notify(self.words(notice, **args))
        target = f"{path}?{urlencode(query)}" if query else path
        return RedirectResponse(target, 303, UNCACHED)


View = Callable[[Visit], Awaitable[Response]]


class Spot(msgspec.Struct, frozen=True):
    """One address of the page: who answers GET and POST, and which page shows what went wrong."""

    path: str
    get: View | None = None
    post: View | None = None
    back: View | None = None


def status_of(error: HostError) -> int:
    """HTTP's status for what went wrong, as `/api/` has it."""
    if isinstance(error, Wrong):
        return error.status
    return next(status for kind, status, _ in STATUSES if isinstance(error, kind))


def problem_of(error: HostError, words: Words) -> Problem:
    """The error in words: the page's own in the reader's language, the host's as they are."""
    if isinstance(error, Wrong):
        return Problem(words(error.key, **error.args_shown))
    return Problem(error.what, error.why, error.remedy)
