"""The dialects of clients, and the endpoints that speak them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from stockade_sdk.errors import ProviderError

from .call import Call
from .failures import status_of

Handle = Callable[[Call], Awaitable[None]]


class Wire:
    """How clients of one dialect are told of an error."""

    def __init__(
        self, encode_error: Callable[[ProviderError, int], dict[str, Any]], overloaded: int = 503
    ) -> None:
        self.encode_error, self.overloaded = encode_error, overloaded

    def status_of(self, error: ProviderError) -> int:
        return status_of(error, self.overloaded)


class Endpoint:
    """One path of `/v1`: who answers it by method, and in which dialect it fails.

    A path that ends with a slash stands for all that begin with it.
    """

    def __init__(self, path: str, wire: Wire, methods: Mapping[str, Handle]) -> None:
        self.path, self.wire, self.methods = path, wire, methods


class Routes:
    """Endpoints by path. ``usual`` is the dialect of errors where no endpoint was meant."""

    def __init__(self, endpoints: Iterable[Endpoint], usual: Wire) -> None:
        self._whole: dict[str, Endpoint] = {}
        self._below: list[Endpoint] = []
        for endpoint in endpoints:
            if endpoint.path.endswith("/"):
                self._below.append(endpoint)
            else:
                self._whole[endpoint.path] = endpoint
        self.usual = usual

    def find(self, path: str) -> Endpoint | None:
        """The endpoint of a path, however it ends; None where there is none."""
        found = self._whole.get(path) or self._whole.get(path.rstrip("/"))
        if found is None:
            found = next((one for one in self._below if path.startswith(one.path)), None)
        return found
