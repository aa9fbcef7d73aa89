"""A browser without a window: cookies, redirects by hand, forms as HTML has them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx

from stockade.admin import Caller, Tokens
from stockade.page import page_app

from .page_operator import NOW, MemoryOperator

BASE = "http://127.0.0.1:8787"
ADMIN = "stk_admin"
HERE = {"origin": BASE, "sec-fetch-site": "same-origin"}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Counting:
    """Randomness that never repeats and is known."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, count: int) -> bytes:
        self.calls += 1
        return self.calls.to_bytes(count, "big")


class Form:
    def __init__(self, attributes: dict[str, str]) -> None:
        self.attributes = attributes
        self.fields: list[tuple[str, str]] = []
        self.buttons: list[dict[str, str]] = []
        self.names: set[str] = set()  # of all fields, empty ones and boxes without a tick as well

    @property
    def action(self) -> str:
        return self.attributes.get("action", "")


class Page(HTMLParser):
    """What tests look at: forms, tags with attributes, text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag == "form":
            self.forms.append(Form(given))
        if not self.forms or "name" not in given:
            return
        if tag == "button":
            self.forms[-1].buttons.append(given)
        self.forms[-1].names.add(given["name"])
        is_box = given.get("type") == "checkbox"
        if tag == "input" and (not is_box or "checked" in given):
            self.forms[-1].fields.append((given["name"], given.get("value", "")))

    def handle_data(self, data: str) -> None:
        self.text += data

    def form(self, action: str, method: str = "post") -> Form:
        """The first form that goes there."""
        return next(
            form
            for form in self.forms
            if form.action == action and form.attributes.get("method", "get") == method
        )


class Browser:
    """Talks to a page over a `MemoryOperator`, from one address, with one cookie jar."""

    def __init__(self, *, secure: bool = False, address: str = "127.0.0.1") -> None:
        self.clock = Clock()
        self.tokens = Tokens()
        self.tokens.add_own(ADMIN, Caller(name="printed", scope="admin"))
        self.tokens.add_own("stk_use", Caller(name="app", scope="use"))
        self.operator = MemoryOperator(self.tokens, self.clock)
        self.app: Any = page_app(
            self.operator, self.tokens, random=Counting(), clock=self.clock, secure=secure
        )
        self.base = BASE.replace("http:", "https:") if secure else BASE
        self.client = self.another(address)

    def another(self, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """A further browser on the same page."""
        transport = httpx.ASGITransport(app=self.app, client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url=self.base)

    async def sign_in(self) -> Browser:
        answer = await self.client.get("/", params={"token": ADMIN})
        assert answer.status_code == 303, answer.text
        return self

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.client.get(path, **more)

    async def page(self, path: str) -> Page:
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return Page(answer.text)

    async def send(
        self, path: str, fields: list[tuple[str, str]], headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """A form as a browser would send it."""
        body = urlencode(fields).encode()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        given = HERE if headers is None else headers
        return await self.client.post(path, content=body, headers={**kind, **given})

    async def submit(
        self,
        path: str,
        action: str,
        change: dict[str, str] | None = None,
        press: tuple[str, str] | None = None,
    ) -> httpx.Response:
        """Open a page, fill in its form to `action` that has these fields, press that button."""
        changed = change or {}
        for form in (await self.page(path)).forms:
            pressed = [(b["name"], b.get("value", "")) for b in form.buttons]
            named = {*form.names, *(name for name, _ in form.fields)}
            fits = press is None or press in pressed
            if form.action == action and fits and set(changed) <= named:
                break
        else:
            raise AssertionError(f"{path} has no form to {action} with {press} and {changed}")
        fields = [(name, value) for name, value in form.fields if name not in changed]
        return await self.send(action, [*fields, *changed.items(), *([press] if press else [])])
