"""What a gateway takes before it is asked much: its start, its page's first view, its memory."""

from __future__ import annotations

import http.client
import re
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .contest import Goal, Row
from .gateway_client import IDLE
from .gateway_contenders import OURS, PEER, Client, Gateway, served

STARTS: Final = 5
IDLE_STREAMS: Final = 500
LINKED: Final = re.compile(r'(?:href|src)="(/static/[^"]+)"')


def beginnings(home: Path) -> list[Row]:
    """Start to the first answered chat, and the page's first view, of one process after another."""
    with served(home) as first:
        new = first.started_s
    starts, views = [], []
    for _ in range(STARTS):
        with served(home) as one:
            starts.append(one.started_s)
            views.append([view(one), view(one)])
    cold = [one * 1e3 for one, _ in views]
    warm = statistics.median(again for _, again in views) * 1e3
    return [
        _figures("start to the first answered chat", starts, " s", 1, f"of a new home {new:.2f} s"),
        _figures("page: first view", cold, " ms", 300, f"the second view {warm:.0f} ms"),
    ]


def view(one: Gateway) -> float:
    """Seconds until a browser would have the page and all that it links: log in by the printed
    address, the first tab, its style and scripts.
    """
    began = time.perf_counter()
    browser = http.client.HTTPConnection("127.0.0.1", one.port, timeout=30)
    try:
        cookie, place, text = "", f"/?token={one.token}", ""
        for _ in range(4):  # `/` logs in and leads to the first tab
            status, headers, text = _get(browser, place, cookie)
            if found := headers.get("set-cookie"):
                cookie = found.partition(";")[0]
            if status == 200:
                break
            place = headers["location"]
        if "<h1" not in text:
            raise RuntimeError(f"no page at {place}: {text[:200]}")
        for link in sorted(set(LINKED.findall(text))):
            if _get(browser, link, cookie)[0] != 200:
                raise RuntimeError(f"the page links {link}, which is not there")
    finally:
        browser.close()
    return time.perf_counter() - began


def _get(
    browser: http.client.HTTPConnection, place: str, cookie: str
) -> tuple[int, dict[str, str], str]:
    browser.request("GET", place, headers={"cookie": cookie} if cookie else {})
    answer = browser.getresponse()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, headers, answer.read().decode()


def memory(load: Client, gateways: Sequence[Gateway]) -> list[Row]:
    """PSS after all loads, and what 500 open streams add to it."""
    before = {one.name: one.pss_mib() for one in gateways}
    rows = [_memory(before)]
    more = {}
    for one in gateways:
        with idle(load, one, 1):
            alone = sum(one.pss_mib().values())
        with idle(load, one, IDLE_STREAMS):
            more[one.name] = sum(one.pss_mib().values()) - alone
    peer = f"{more[PEER]:.0f} MiB ({PEER})" if PEER in more else "not installed"
    figure = more[OURS]
    goal = Goal(100, unit=" MiB")
    name = f"gateway: {IDLE_STREAMS} idle streams add"
    return [*rows, Row(name, f"{figure:.0f} MiB", peer, figure, goal)]


@contextmanager
def idle(load: Client, one: Gateway, streams: int) -> Iterator[None]:
    """Streams that have their first chunk and wait for the next."""
    load.put_on(one.load(IDLE, streams, streams))
    try:
        yield
    finally:
        load.close()


def _memory(before: dict[str, dict[str, float]]) -> Row:
    ours = before[OURS]
    each = ", ".join(f"{name} {size:.1f}" for name, size in ours.items())
    peer = f"{sum(before[PEER].values()):.0f} MiB ({PEER})" if PEER in before else "not installed"
    figure = sum(ours.values())
    goal = Goal(120, unit=" MiB")
    return Row(
        name="gateway: PSS of all its processes",
        ours=f"{figure:.0f} MiB",
        peer=peer,
        figure=figure,
        goal=goal,
        notes=(each,),
    )


def _figures(title: str, figures: list[float], unit: str, limit: float, note: str) -> Row:
    middle = statistics.median(figures)
    return Row(
        name=f"gateway: {title}",
        ours=f"{middle:.3g}{unit}",
        peer="",
        figure=middle,
        goal=Goal(limit, unit=unit),
        low=min(figures),
        high=max(figures),
        notes=(note,),
    )
