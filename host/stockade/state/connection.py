"""One SQLite file, open: transactions, and SQLite's errors in words.

Several processes may have it open at once (WAL). Where it or its folder may not be written it is
opened for reading alone.
"""

import errno
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from stockade.errors import StateError
from stockade.state.rows import decoded

__all__ = ["Database", "open_database"]

BUSY_S = 5.0  # another process's transaction is over in milliseconds
_WRITABLE = "make it and its folder writable for you, or set STOCKADE_HOME to another folder"
_DAMAGED = (
    "restore it, or move it away and install the plugins again: stockade.lock beside it lists them"
)
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class Database:
    """An open file; safe to use from several threads, one at a time. `writable` is whether it may
    be written: a change of one that may not raises StateError. `changed` is whether something
    durable was.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, writable: bool) -> None:
        self.path = path
        self.writable = writable
        self.changed = False
        self._connection = connection
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, _translated(self.path):
            yield self._connection

    @contextmanager
    def writing(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is kept or, where the block raises, nothing."""
        with self._lock, _translated(self.path), self._connection as connection:
            # FULL: a power cut must not bring back a plugin whose files have gone since.
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
        self.changed = self.changed or durable


def open_database(
    path: Path, migrate: Callable[[sqlite3.Connection, Path], int], version: int
) -> Database:
    """Open or create the file and let `migrate` bring it to `version`.

    Raises StateError: unreadable, damaged, of a newer version, or of an older one that may not be
    written.
    """
    with _translated(path):
        try:
            connection, found = _open_to_write(path, migrate)
            writable = True
        except (OSError, sqlite3.OperationalError) as error:
            if not _says_not_writable(error) or not path.exists():
                raise
            connection, found = _open_to_read(path)
            writable = False
    if found > version:
        connection.close()
        raise StateError(
            f"{path} was written by a newer stockade",
            why=f"its version is {found}, this one knows {version}",
            remedy="upgrade stockade, or set STOCKADE_HOME to another folder",
        )
    if found < version and not writable:
        connection.close()
        raise StateError(
            f"{path} was written by an older stockade and may not be written",
            why=f"its version is {found}, this one reads {version}",
            remedy=_WRITABLE,
        )
    return Database(path, connection, writable=writable)


def _open_to_write(
    path: Path, migrate: Callable[[sqlite3.Connection, Path], int]
) -> tuple[sqlite3.Connection, int]:
    _make_private(path)
    connection = _connected(str(path))
    try:
        _use_wal(connection)
        found = migrate(connection, path)
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection, found


def _make_private(path: Path) -> None:
    """Made by us and not by SQLite, so that it is never readable to others; `-wal` and `-shm` get
    its mode. Raises OSError where it may not be written.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, 0o600))
    except FileExistsError:
        _check(path, os.R_OK | os.W_OK)


def _check(path: Path, access: int) -> None:
    """A file of ours is made private. Raises OSError: it is no file, or may not be used so.

    O_PATH, for closing any other descriptor of it would take away the locks that SQLite holds in
    this process (fcntl(2)): another process would then find itself alone and remove `-wal`.
    """
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found, name = os.fstat(descriptor), f"/proc/self/fd/{descriptor}"
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.ELOOP, "it is a link or no file", str(path))
        if not os.access(name, access, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        if access & os.W_OK and found.st_mode & 0o077 and found.st_uid == os.geteuid():
            os.chmod(name, found.st_mode & 0o700)  # noqa: PTH101 - a name for a descriptor
    finally:
        os.close(descriptor)


def _open_to_read(path: Path) -> tuple[sqlite3.Connection, int]:
    _check(path, os.R_OK)
    uri = path.absolute().as_uri() + "?mode=ro"
    try:
        return _read(uri)
    except sqlite3.OperationalError:
        # SQLite reads a WAL file with the help of `-shm`, which it cannot make here. Without
        # changes in `-wal` the file is all there is, and nobody who shares our view of the folder
        # can write to it (sqlite.org/wal.html, "Read-Only Databases").
        if _has_content(path.with_name(path.name + "-wal")):
            raise
        return _read(uri + "&immutable=1")


def _read(uri: str) -> tuple[sqlite3.Connection, int]:
    connection = _connected(uri)
    try:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    except BaseException:
        connection.close()
        raise
    return connection, found


def _connected(database: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        database,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
        uri=database.startswith("file:"),
    )
    connection.text_factory = decoded
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            with closing(connection.execute("PRAGMA journal_mode = WAL")) as answer:
                answer.fetchone()
        except sqlite3.OperationalError as error:
            # The busy handler is not asked where two processes switch a new file at once.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _has_room(path: Path) -> bool:
    try:
        return os.statvfs(path.parent).f_bavail > 0
    except OSError:
        return True


def _says_not_writable(error: OSError | sqlite3.OperationalError) -> bool:
    if isinstance(error, OSError):
        return error.errno in _NOT_WRITABLE
    return _code(error) in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary code; 0 for an error that the module raised by itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StateError(f"{path} did not take the change", why=str(error)) from error
    except sqlite3.OperationalError as error:
        what, why, remedy = _in_words(path, error)
        raise StateError(what, why=why, remedy=remedy) from error
    except sqlite3.ProgrammingError as error:  # used after close()
        raise StateError(f"{path} cannot be used", why=str(error)) from error
    except (sqlite3.DatabaseError, ValueError) as error:
        what = f"{path} is damaged or no file of stockade"
        raise StateError(what, why=str(error)[:200], remedy=_DAMAGED) from error
    except OSError as error:
        what = f"{path} cannot be opened"
        raise StateError(what, why=error.strerror or "", remedy=_WRITABLE) from error


def _in_words(path: Path, error: sqlite3.OperationalError) -> tuple[str, str, str]:
    match _code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            why = "another process holds it"
            return f"{path} cannot be used", why, "try again when that one is done"
        case sqlite3.SQLITE_FULL:
            return f"{path} cannot be written", "the disk is full", "make room and try again"
        case sqlite3.SQLITE_IOERR if not _has_room(path):  # where not even `-shm` can be made
            return f"{path} cannot be used", "the disk is full", "make room and try again"
        case sqlite3.SQLITE_READONLY:
            return f"{path} cannot be written", str(error), _WRITABLE
        case sqlite3.SQLITE_ERROR:  # a statement does not fit: its tables are not ours
            return f"{path} is damaged or no file of stockade", str(error)[:200], _DAMAGED
        case _:
            why = str(error)
            return f"{path} cannot be used", why, "see to the disk and the rights of its folder"
