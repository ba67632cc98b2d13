"""Site: an application served for real, on loopback, for a test.

Three rules. It is the application itself, under the server that production has, with a database of the test's own.
It runs in a thread, so tests of every kind can use it. When it is left, nothing of it is left.

It knows no pytest; the fixtures are in ``plugin.py``.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar, overload

import httpx
import orjson

from ..collection import LiveCollection
from ..collection.live_collection import _shown
from ..collection.reading import Reading
from ..collection.rest import Rest
from ..errors import ConfigurationError
from ..live import Live
from ..stores.sqlite import SQLiteStore
from ..stores.sqlite_connection import connect
from .clock import Clock
from .parts import Part, lent, parts_of
from .served import Served
from .site_client import SiteClient
from .site_proxy import SiteProxy
from .stage import Stage
from .waiting import WITHIN, wait_until

P = ParamSpec("P")
T = TypeVar("T")

TEMPORARY = "temporary"


class Site:
    """An application that is served: ``with Site(app) as site``, and connect to ``site.url``.

    Args:
        app: a Live, a Bayeux ``Server``, or an ASGI application that has some inside (mounted, or wrapped).
        database: a URL; "temporary": an empty SQLite file that goes with the site; None: the application's own.
        port: to listen on; 0: one that is free.
        parts: Lives and Servers that can't be found by looking into ``app``.

    Raises:
        ConfigurationError: none of ours is found in the application; the port is taken; the application fails at its
            start.
    """

    def __init__(
        self, app: Any, *, database: str | None = TEMPORARY, port: int = 0, parts: Sequence[Part] = ()
    ) -> None:
        self.parts = parts_of(*(parts or [app]))
        if not self.parts:
            raise ConfigurationError(
                f"app: there is no Live and no Bayeux Server to be found in {app!r}: name them, as parts=[live]"
            )
        self.lives = [part for part in self.parts if isinstance(part, Live)]
        if len(self.lives) > 1 and database not in (TEMPORARY, None):
            raise ConfigurationError("database: one URL can't serve an application with several Lives")
        self.app = app.app if isinstance(app, Live) else app
        self.clock = Clock()
        self.url = ""
        self.port = port
        self._database = database
        self._urls: list[str | None] = []
        self._stack = ExitStack()
        self._stage: Stage | None = None
        self._served: Served | None = None

    def __repr__(self) -> str:
        return f"Site({self.url or 'not served'})"

    # Serving.

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._urls = [self._place(number, stack) for number in range(len(self.lives))]
            stack.enter_context(lent(self.parts, self._urls, self.clock))
            stage = self._stage = Stage(self.clock)
            stack.callback(stage.close)
            self.start()
            stack.callback(self.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _place(self, number: int, stack: ExitStack) -> str | None:
        if self._database != TEMPORARY:
            return self._database
        folder = Path(tempfile.mkdtemp(prefix="livecollections-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return f"sqlite:///{folder / 'test.db'}"

    def start(self) -> None:
        """Serve again after ``stop``, at the same address, on the same database."""
        if self._served is not None:
            raise ConfigurationError("this site is served already")
        listening = bound(self.port)
        served = Served(self.app, self.parts, listening)
        try:
            self._running.run(served.start)
        except BaseException:
            listening.close()
            raise
        self._served = served
        self.port = listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Stop gracefully, as at a deploy; nobody is served until ``start``."""
        served, self._served = self._served, None
        if served is not None:
            self._running.run(served.stop)

    def restart(self) -> None:
        """Stop and start: a deploy."""
        self.stop()
        self.start()

    # Using it.

    @property
    def live(self) -> Live[Any]:
        """The application's Live. Raises ConfigurationError if it has none, or several."""
        if len(self.lives) != 1:
            raise ConfigurationError(f"live: the application has {len(self.lives)}: use your own variables")
        return self.lives[0]

    def client(self, **options: Any) -> SiteClient:
        """A client of it, not yet open: ``async with site.client() as client``. options: of ``LiveClient``."""
        return SiteClient(self.url, **{**self._client_options(), **options})

    def proxy(self) -> SiteProxy:
        """A way to it on which things go wrong: ``with site.proxy() as proxy``."""
        return SiteProxy(self.url, self._running, self._client_options())

    def _client_options(self) -> dict[str, Any]:
        return {"faye": self.live._prefix + self.live._faye} if len(self.lives) == 1 else {}

    @overload
    def run(
        self, function: Callable[P, Coroutine[Any, Any, T]], /, *arguments: P.args, **options: P.kwargs
    ) -> T: ...

    @overload
    def run(self, function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> T: ...

    def run(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        """Call a function, also a coroutine function, on the application's loop, and return what it returns.

        What belongs to the application is used so: ``site.run(live.snapshot, Todo)``.

        Raises:
            TimeoutError: it took more than half a minute, and was cancelled.
            Whatever the function raises.
        """
        return self._running.run(function, *arguments, **options)

    def sql(self, statement: str, *parameters: Any) -> list[Any]:
        """Run one statement on the database as another program would; returns the rows that it gives."""
        store = self.live._store
        if not isinstance(store, SQLiteStore):
            raise ConfigurationError("sql: only a SQLite database is written to from here")
        with closing(connect(store._path, clock=self.clock.time)) as connection:
            return connection.execute(statement, parameters).fetchall()

    async def wait_same(self, *collections: LiveCollection[Any], within: float = WITHIN) -> None:
        """Return when all these collections are live, and hold what ``GET`` gives.

        Args:
            within: seconds after which it fails.

        Raises:
            AssertionError: they did not in time; the message says which one differs, and how.
        """
        __tracebackhide__ = True
        async with httpx.AsyncClient(base_url=self.url) as http:

            async def are_same() -> bool:
                for number, collection in enumerate(collections, 1):
                    await check_same(http, f"collection {number}, {collection!r},", collection)
                return True

            await wait_until(are_same, within)

    @property
    def _running(self) -> Stage:
        if self._stage is None:
            raise ConfigurationError("this site is not served yet: use `with Site(app) as site`")
        return self._stage


async def check_same(http: httpx.AsyncClient, name: str, collection: LiveCollection[Any]) -> None:
    """Raise AssertionError unless a collection is live, and holds what GET gives, whatever the order."""
    assert collection.live == "live", f"{name} is not live: {collection.error}"
    rest = collection._follower._rest
    prefix = rest._http.base_url.path.rstrip("/")
    reading = Reading(is_whole=True, query=None, stamp=0, era=0, at=None)
    await Rest(http, prefix + rest._path, rest._query, rest._headers).read(reading)
    given = {canonical(row) for page in reading.pages for row in page.rows}
    held = {canonical(_shown(state)) for state in collection._documents.shown()}
    assert given == held, f"{name} lacks {sorted(given - held)} and has {sorted(held - given)}"


def canonical(document: Any) -> str:
    """A document as one text."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()


def bound(port: int) -> socket.socket:
    """A socket on loopback. Raises ConfigurationError if the port is taken."""
    made = socket.socket()
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
    except OSError as error:
        made.close()
        raise ConfigurationError(
            f"port {port} can't be had ({error.strerror}): leave it out, and one that is free is chosen"
        ) from error
    return made
