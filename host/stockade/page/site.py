"""The page as an ASGI application: sessions, checks of every request, errors, static files."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from stockade.admin import Operator, Tokens
from stockade.errors import HostError

from .forms import Form, Wrong, parse, read_form
from .guard import CACHED, UNCACHED, from_here, local_path
from .language import choose
from .rendering import rendering
from .sessions import Attempts, Session, Sessions
from .views import SPOTS
from .views.error import show_error
from .views.sign_in import show_sign_in
from .visit import Spot, View, Visit

log = logging.getLogger(__name__)

THEMES = ("auto", "light", "dark")
LANGUAGE_COOKIE = "stockade-lang"
THEME_COOKIE = "stockade-theme"
YEAR_S = 365 * 86_400
LIVE = "/live/"  # what scripts ask for by themselves


def page_app(
    operator: Operator,
    tokens: Tokens,
    *,
    random: Callable[[int], bytes],
    clock: Callable[[], float],
    secure: bool,
) -> ASGIApp:
    """The settings page over a host.

    ``random`` is `os.urandom`'s like, ``clock`` gives seconds since 1970; ``secure``: the listener
    speaks TLS, so cookies are for TLS alone. Reads its files here; call it before the loop serves.
    """
    site = Site(operator, tokens, random=random, clock=clock, secure=secure)
    routes = [Route(spot.path, site.endpoint(spot), methods=["GET", "POST"]) for spot in SPOTS]
    routes += [
        Route("/login", site.login, methods=["GET", "POST"]),
        Route("/logout", site.logout, methods=["GET", "POST"]),
        Route("/look", site.look, methods=["POST"]),
        Route("/static/{path:path}", site.static, methods=["GET"]),
        Route("/{path:path}", site.endpoint(Spot("")), methods=["GET", "POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _refuse})


async def _refuse(request: Request, error: Exception) -> Response:
    """A method that no address of the page has."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return PlainTextResponse(f"{HTTPStatus(status).phrase}\n", status, UNCACHED)


def warm_up() -> None:
    """Make the first view of each page as quick as the next: to be called in a thread, once it
    serves.
    """
    rendering().compile_all()


class Site:
    """What all addresses of the page have in common."""

    def __init__(
        self,
        operator: Operator,
        tokens: Tokens,
        *,
        random: Callable[[int], bytes],
        clock: Callable[[], float],
        secure: bool,
    ) -> None:
        self._operator = operator
        self._rendering = rendering()
        self._sessions = Sessions(tokens, random=random, clock=clock)
        self._attempts = Attempts(clock)
        self._clock = clock
        self._secure = secure

    def endpoint(self, spot: Spot) -> Callable[[Request], Awaitable[Response]]:
        """One address: signed in, from here, its errors on the page they belong to."""

        async def answer(request: Request) -> Response:
            visit, response = await self._arrive(request)
            if response is None:
                response = await self._within(visit, spot)
            return self._remember(request, visit, response)

        return answer

    async def login(self, request: Request) -> Response:
        """The form that asks for a token, and what it sends."""
        visit, response = await self._arrive(request, stranger=True)
        if response is not None:
            return self._remember(request, visit, response)
        if request.method == "POST":
            try:
                visit.form = await self._read(request, visit)
            except Wrong as error:
                visit.fail(error)
            else:
                return await self._sign_in(request, visit, visit.form.raw("token").strip())
        elif visit.session is not None:
            return visit.go("/providers")
        return self._remember(request, visit, await show_sign_in(visit))

    async def logout(self, request: Request) -> Response:
        visit, response = await self._arrive(request)
        if response is None and request.method == "GET":
            return visit.go("/providers")
        if response is None:
            try:
                visit.form = await self._read(request, visit)
            except Wrong as error:
                return await show_error(visit, error)
            self._sessions.end(request.cookies.get(_cookie_name(request), ""))
            response = visit.go("/login")
            response.delete_cookie(_cookie_name(request), path="/")
        return response

    async def look(self, request: Request) -> Response:
        """Light or dark, and the language: kept in cookies, so that it works without JavaScript."""
        visit, _ = await self._arrive(request, stranger=True)
        visit.session = None  # changes nothing but how it looks: the origin is proof enough
        try:
            form = await self._read(request, visit)
        except Wrong as error:
            return await show_error(visit, error)
        response = visit.go(local_path(form.text("back")))
        for name, wish, allowed in (
            (THEME_COOKIE, form.text("theme"), THEMES),
            (LANGUAGE_COOKIE, form.text("lang"), tuple(self._rendering.words)),
        ):
            if wish in allowed:
                self._set(response, name, wish, max_age=YEAR_S)
        return response

    async def static(self, request: Request) -> Response:
        file = self._rendering.static.get(request.path_params["path"])
        if file is None:
            return PlainTextResponse("not found\n", 404, UNCACHED)
        return Response(file.content, 200, {**CACHED, "content-type": file.type})

    async def _arrive(
        self, request: Request, *, stranger: bool = False
    ) -> tuple[Visit, Response | None]:
        """The visit, and the answer already where it goes no further."""
        cookies = request.cookies
        try:
            query = parse(request.scope["query_string"])
            trouble = None
        except Wrong as error:
            query, trouble = Form(), error
        language = choose(
            query.text("lang"),
            cookies.get(LANGUAGE_COOKIE, ""),
            request.headers.get("accept-language", ""),
        )
        theme = cookies.get(THEME_COOKIE, "auto")
        visit = Visit(
            request,
            self._operator,
            self._rendering,
            words=self._rendering.words[language],
            theme=theme if theme in THEMES else "auto",
            now=self._clock(),
            query=query,
        )
        visit.session = self._session(request, cookies)
        if trouble is not None:
            return visit, await show_error(visit, trouble)
        if request.method == "GET" and "token" in query:
            return visit, await self._sign_in(request, visit, query.text("token"))
        if visit.session is None and not stranger:
            return visit, self._to_sign_in(request, visit)
        return visit, None

    def _session(self, request: Request, cookies: Mapping[str, str]) -> Session | None:
        by_itself = request.url.path.startswith(LIVE)
        return self._sessions.find(cookies.get(_cookie_name(request), ""), by_itself=by_itself)

    def _to_sign_in(self, request: Request, visit: Visit) -> Response:
        if request.url.path.startswith(LIVE):  # a script asks: it wants a word, not a page
            return PlainTextResponse("", 401, UNCACHED)
        if request.method == "GET":
            return visit.go("/login", query=[("next", visit.here)] if visit.here != "/" else None)
        return visit.go("/login")

    async def _sign_in(self, request: Request, visit: Visit, token: str) -> Response:
        """A session for a token: by the form, or by a URL that is left at once for one without."""
        address = request.client.host if request.client else ""
        wait = self._attempts.wait_s(address)
        begun = None if wait else self._sessions.begin(token)
        if begun is None:
            visit.session = None
            if wait:
                visit.fail(Wrong("errors.wait", status=429, s=int(wait) + 1))
            else:
                self._attempts.failed(address)
                visit.fail(Wrong("errors.token", status=401))
            response: Response = await show_sign_in(visit)
            if wait:
                response.headers["retry-after"] = str(int(wait) + 1)
            return response
        id, visit.session = begun
        if request.method == "GET":
            rest = [pair for pair in visit.query.pairs if pair[0] != "token"]
            response = visit.go(local_path(request.url.path), query=rest)
        else:
            response = visit.go(local_path(visit.form.text("next")))
        self._set(response, _cookie_name(request), id)
        return response

    async def _within(self, visit: Visit, spot: Spot) -> Response:
        view: View | None = spot.get
        if visit.request.method == "POST":
            try:
                visit.form = await self._read(visit.request, visit)
            except Wrong as error:
                return await show_error(visit, error)
            view = spot.post
        if view is None:
            missing = spot.get is None and spot.post is None
            key, status = ("errors.no_page", 404) if missing else ("errors.method", 405)
            return await show_error(visit, Wrong(key, status=status))
        return await self._carried_out(visit, view, spot.back if view is spot.post else None)

    async def _carried_out(self, visit: Visit, view: View, back: View | None) -> Response:
        """The view's answer; where the host says no, the page it came from says so."""
        try:
            return await view(visit)
        except HostError as error:
            if back is not None:
                visit.fail(error)
                return await self._carried_out(visit, back, None)
            return await show_error(visit, error)
        except Exception:  # the last seam before the client, who must never get a stack trace
            log.exception("the page failed at %s", visit.request.url.path)
            return await show_error(visit, Wrong("errors.broken", status=500))

    async def _read(self, request: Request, visit: Visit) -> Form:
        """What was posted, by a page of ours. Raises Wrong."""
        if not from_here(request.headers, secure=self._secure):
            raise Wrong("errors.foreign", status=403)
        form = await read_form(request)
        if visit.session is not None and not visit.session.proves(form.raw("csrf")):
            raise Wrong("errors.foreign", status=403)
        return form

    def _remember(self, request: Request, visit: Visit, response: Response) -> Response:
        """Keep the language that was asked for by `?lang=`."""
        if visit.query.text("lang") == visit.words.code:
            self._set(response, LANGUAGE_COOKIE, visit.words.code, max_age=YEAR_S)
        return response

    def _set(
        self, response: Response, name: str, value: str, *, max_age: int | None = None
    ) -> None:
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )


def _cookie_name(request: Request) -> str:
    """Browsers share cookies between the ports of a host: two stockades must not."""
    server = request.scope.get("server") or ("", 0)
    return f"stockade-{server[1] or 0}"
