"""What a provider is handed with every call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from .errors import ErrorKind, ProviderError
from .http import Http

if TYPE_CHECKING:
    from pathlib import Path


class LogSink(Protocol):
    """Where log records go: the worker's session, or a list in tests."""

    def __call__(self, level: str, message: str, fields: Mapping[str, Any]) -> None: ...


class Logger:
    """``ctx.log``: ``ctx.log.info("retrying", attempt=2)``; ``bind`` returns a logger with fields
    added.
    """

    def __init__(self, sink: LogSink, bound: Mapping[str, Any] = MappingProxyType({})) -> None:
        self._sink, self._bound = sink, bound

    def bind(self, **fields: Any) -> Logger:
        """The same logger with these fields on every record."""
        return Logger(self._sink, {**self._bound, **fields})

    def debug(self, message: str, **fields: Any) -> None:
        """For the author."""
        self._sink("debug", message, {**self._bound, **fields})

    def info(self, message: str, **fields: Any) -> None:
        """Worth keeping."""
        self._sink("info", message, {**self._bound, **fields})

    def warning(self, message: str, **fields: Any) -> None:
        """Worth a look."""
        self._sink("warning", message, {**self._bound, **fields})

    def error(self, message: str, **fields: Any) -> None:
        """Something failed."""
        self._sink("error", message, {**self._bound, **fields})

    def exception(self, message: str, **fields: Any) -> None:
        """Something failed, with the traceback of the exception being handled."""
        import traceback

        self._sink("error", message, {**self._bound, **fields, "exception": traceback.format_exc()})


class Context:
    """What a call may use: ``config``, ``http``, ``log``, ``data_dir``, ``secret`` and its
    ``deadline``.

    ``config`` holds what the operator set, defaults filled in. ``data_dir`` is the plugin's own
    folder, or ``None`` where its grant names no ``data``.
    """

    def __init__(
        self,
        *,
        config: Mapping[str, Any],
        http: Http,
        log: Logger,
        secrets: Mapping[str, str],
        data_dir: Path | None,
        remaining: Callable[[], float],
    ) -> None:
        self.config = config
        self.http = http
        self.log = log
        self.data_dir = data_dir
        self._secrets = secrets
        self._remaining = remaining

    @property
    def deadline(self) -> float:
        """Seconds left for this call; 0 when it is over."""
        return max(0.0, self._remaining())

    def secret(self, name: str) -> str:
        """A placeholder for the secret ``name``; the host puts the real value on requests to that
        secret's hosts.

        Raises ProviderError(auth) where the operator has not set it, ``invalid_request`` where the
        manifest does not declare it.
        """
        value = self._secrets.get(name)
        if value is None:
            raise ProviderError(
                ErrorKind.INVALID_REQUEST,
                f"the manifest declares no secret {name!r}; add it under [[permissions.secrets]]",
            )
        if not value:
            raise ProviderError(
                ErrorKind.AUTH,
                f"the secret {name!r} is not set; run: stockade secrets set PLUGIN {name}",
            )
        return value
