"""Live: puts the rooms together. Models are declared on it; it is served, mounted or wrapped.

Two rules. Nothing happens at declaration: no connection, no thread, no table; a model is read at start. The
host application stays what it was: no middleware, no exception handler of ours is added to it.

It knows every room, and none of their work.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from . import openapi, rest, status
from .bayeux import Server
from .errors import ConfigurationError, MalformedRequest, StoreUnavailable
from .feed import Feed
from .lifespan import Signals, Wrapped
from .listeners import Handler, Listener
from .listeners import Run as ListenerRun
from .query import Query
from .resource import Resource
from .stores.base import Log, Store

logger = logging.getLogger("livecollections.live")

M = TypeVar("M", bound=type)

NOT_STARTED = (
    "livecollections has not been started: run the application under a server that sends lifespan events, "
    "or start it by hand with `async with live:`"
)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A model to be offered at a path; read at start."""

    path: str
    model: type
    options: dict[str, Any]


class LiveRouter:
    """Declarations to be included into a Live, under a prefix.

    prefix: begins with "/" and does not end with it, or is empty.
    """

    def __init__(self, prefix: str = "") -> None:
        check_path("prefix", prefix)
        self.prefix = prefix
        self._declarations: list[Declaration] = []
        self._listeners: list[Listener] = []
        self._included: list[LiveRouter] = []

    def resource(self, path: str, **options: Any) -> Callable[[M], M]:
        """Offer the decorated model at ``path``; the class is returned unchanged.

        options: ``read create update exclude read_only methods sort limit tags`` (see ``Resource.build``).
        Raises ConfigurationError that names a wrong option.
        """

        def declare(model: M) -> M:
            self.add_resource(path, model, **options)
            return model

        return declare

    def add_resource(self, path: str, model: type, **options: Any) -> None:
        """Offer a model at ``path``: what the decorator ``resource`` does, for a class that exists."""
        if not path:
            raise ConfigurationError("path: is empty")
        check_path("path", path)
        rest_of = [declared.path for declared in self.declarations()]
        if self.prefix + path in rest_of:
            raise ConfigurationError(f"path: {self.prefix + path} is declared already")
        Resource.check_options(options)
        self._declarations.append(Declaration(self.prefix + path, model, options))

    def on(self, model: type, *events: str, durable: str | None = None) -> Callable[[Handler], Handler]:
        """Call the decorated function with each Change of a model, after its commit and in order.

        events: some of "create", "update", "delete" (all three where none is named), and "reset".
        durable: a name; the function then runs in one process at a time, at least once for each change, also
        for changes made while no process ran. Without it: in each running process, from its start on.
        """

        def declare(handler: Handler) -> Handler:
            self._listeners.append(Listener.declare(model, events, handler, durable))
            return handler

        return declare

    def include_router(self, router: LiveRouter) -> None:
        """Take over a router's declarations, also those that it will get before the start."""
        self._included.append(router)

    def declarations(self) -> list[Declaration]:
        """All declarations, with the prefixes that lead to them."""
        return self._declarations + [
            Declaration(self.prefix + declared.path, declared.model, declared.options)
            for router in self._included
            for declared in router.declarations()
        ]

    def listeners(self) -> list[Listener]:
        """All listeners."""
        return self._listeners + [listener for router in self._included for listener in router.listeners()]


@dataclass(slots=True)
class Started:
    """What exists between start and stop."""

    feed: Feed
    resources: dict[str, Resource]
    routes: list[BaseRoute]
    exit: AsyncExitStack = field(default_factory=AsyncExitStack)


class Live(LiveRouter):
    """Models with REST, a durable log of their changes, and push over Bayeux.

    database: a URL (``sqlite:///todos.db``; ``sqlite://`` is private and temporary), an Engine or AsyncEngine of
    yours, or None for ``$DATABASE_URL``.
    allowed_origins: of browsers, for REST and Bayeux alike (``"https://example.org"``).
    create_tables: make missing tables at start; never alters one, and never where ``alembic_version`` exists.
    capture: "install" the triggers at start, or only "check" that they are there.
    log: how long changes are kept.  synchronous: of SQLite, "FULL" or "NORMAL" (faster; a power cut loses the
    last commits).  faye: the path of the Bayeux endpoint.  bayeux: a Server of yours, perhaps shared by two Lives.

    Raises ConfigurationError that names a wrong option.
    """

    def __init__(
        self,
        database: Any = None,
        *,
        allowed_origins: Sequence[str] = (),
        create_tables: bool = True,
        capture: Literal["install", "check"] = "install",
        log: Log | None = None,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        faye: str = "/faye",
        bayeux: Server | None = None,
    ) -> None:
        super().__init__()
        check_path("faye", faye or "faye")
        self.bayeux = bayeux or Server(allowed_origins=allowed_origins)
        self.faye = faye
        self._owns_bayeux = bayeux is None
        self._allowed_origins = tuple(allowed_origins)
        self._store = open_store(
            database, log=log or Log(), create_tables=create_tables, capture=capture, synchronous=synchronous
        )
        self._prefix = ""
        self._started: Started | None = None

    # Starting and stopping

    async def __aenter__(self) -> Live:
        """Start: open the database, install capture, read the log, serve. May follow a stop, on another loop.

        Raises ConfigurationError, StoreUnavailable, CaptureMissing; then nothing is left running.
        """
        if self._started is not None:
            raise ConfigurationError("this Live is started already: start it in one place only")
        async with AsyncExitStack() as stack:
            self._started = await self._start(stack)
            self._started.exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: answer held polls, end streams, close sockets, finish waiting writes."""
        started, self._started = self._started, None
        if started is not None:
            await started.exit.aclose()

    async def _start(self, stack: AsyncExitStack) -> Started:
        described: dict[str, Resource] = {}
        for declared in self.declarations():
            if declared.path in (*described, self.faye, "/live"):
                raise ConfigurationError(f"path: {declared.path} is taken already")
            described[declared.path] = self._describe(declared)
        sources = {resource.source.name: resource.source for resource in described.values()}
        heard = {
            listener.model: self._store.describe(listener.model, Resource.excluded(listener.model))
            for listener in self.listeners()
        }
        for source in heard.values():
            sources.setdefault(source.name, source)
        stack.push_async_callback(self._store.stop)
        await self._store.start(list(sources.values()))
        by_channel = {resource.channel: resource for resource in described.values()}
        feed = Feed(self._store, self.bayeux, by_channel)
        if self._owns_bayeux or not self.bayeux.running:
            await self.bayeux.start()
            stack.push_async_callback(self.bayeux.close)
        await feed.start()
        stack.push_async_callback(feed.stop)
        for channel in by_channel:
            self.bayeux.add_history(channel, feed)
            stack.callback(self.bayeux.remove_history, channel)
        for listener in self.listeners():
            run = ListenerRun(listener, heard[listener.model].name, self._store, feed)
            run.start()
            stack.push_async_callback(run.stop)
        # What waits for a lock, in the way of all that stops before the store does.
        stack.callback(self._store.hasten)
        signals = Signals(asyncio.get_running_loop(), self._end)
        signals.install()
        stack.callback(signals.restore)
        return Started(feed, described, self._routes(described, feed))

    async def _end(self) -> None:
        self._store.hasten()
        await self.bayeux.close()

    def _describe(self, declared: Declaration) -> Resource:
        exclude = Resource.excluded(declared.model, declared.options.get("exclude", ()))
        source = self._store.describe(declared.model, exclude)
        return Resource.build(self._prefix + declared.path, source, **declared.options)

    def _routes(self, resources: dict[str, Resource], feed: Feed) -> list[BaseRoute]:
        pairs = [
            rest.routes(resource, self._store, self.bayeux, allowed_origins=self._allowed_origins)
            for resource in resources.values()
        ]
        # All lists first: a list may lie where another resource's documents do.
        served = [*(route for route, _ in pairs), *(route for _, route in pairs)]
        served += status.routes(self._prefix, self._prefix + self.faye, list(resources.values()), feed)
        served.append(BayeuxRoute(self._prefix + self.faye, self.bayeux))
        return served

    @property
    def lifespan(self) -> Callable[[Any], AbstractAsyncContextManager[None]]:
        """A lifespan for a Starlette or FastAPI application of yours that serves ``router``."""

        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[None]:
            async with self:
                yield

        return lifespan

    # Serving

    @property
    def router(self) -> BaseRoute:
        """Our paths as one route of a Starlette or FastAPI application; needs ``lifespan``."""
        return LiveRoute(self)

    @property
    def app(self) -> Starlette:
        """An ASGI application that serves everything: resources, Bayeux, ``/openapi.json``, ``/docs``."""
        described = rest.pages(self._openapi)
        return Starlette(routes=[LiveRoute(self), *described], lifespan=self.lifespan)

    def mount(self, app: Any, prefix: str = "") -> None:
        """Add our paths to a Starlette or FastAPI application, chain its lifespan, and list us in its OpenAPI.

        prefix: put before each path, and so before each channel.
        """
        check_path("prefix", prefix)
        self._prefix = prefix
        app.router.routes.append(LiveRoute(self))
        inner = app.router.lifespan_context

        @asynccontextmanager
        async def chained(host: Any) -> AsyncIterator[Any]:
            async with self, inner(host) as state:
                yield state

        app.router.lifespan_context = chained
        if hasattr(app, "openapi"):
            described = app.openapi
            app.openapi = lambda: openapi.merge(described(), self._described())

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Go around any other ASGI application: our paths are ours, everything else is passed on to it."""
        return Wrapped(app, LiveRoute(self), self)

    def _openapi(self) -> dict[str, Any]:
        return openapi.document(self._described())

    def _described(self) -> list[Resource]:
        if self._started is not None:
            return list(self._started.resources.values())
        return [self._describe(declared) for declared in self.declarations()]

    # Using it from Python

    def session(
        self,
        request: Request = None,  # type: ignore[assignment]
        response: Response = None,  # type: ignore[assignment]
    ) -> SessionContext:
        """An AsyncSession on our engine: ``async with live.session() as session``, or ``Depends(live.session)``.

        As a dependency its commits carry the request's Live-Origin, and the response gets Live-Seq.
        """
        return SessionContext(self._sessions(request, response))

    async def _sessions(self, request: Request, response: Response) -> AsyncGenerator[Any, None]:
        origin = None
        try:
            self._require_start()
            if request is not None:
                origin = rest.origin_of(request.headers)
        except (MalformedRequest, StoreUnavailable) as error:
            if request is None:
                raise
            # The host's handlers know no error of ours.
            status = error.status if isinstance(error, MalformedRequest) else 503
            raise HTTPException(status, str(error)) from error

        def committed(seq: str) -> None:
            if response is not None:
                response.headers["Live-Seq"] = seq

        async with self._store.session(origin, committed) as session:
            yield session

    async def snapshot(self, model: type, query: Query | None = None) -> tuple[list[dict[str, Any]], str]:
        """The documents of a model and the seq that they hold, for a page that is rendered with them.

        Raises ConfigurationError where no resource offers the model.
        """
        for resource in self._require_start().resources.values():
            if resource.source.model is model:
                found = await self._store.find(resource.source, query or Query())
                return resource.documents(found.rows), found.seq
        raise ConfigurationError(f"no resource offers {model.__name__}")

    def _require_start(self) -> Started:
        if self._started is None:
            raise StoreUnavailable(NOT_STARTED)
        return self._started

    # For LiveRoute

    def match(self, scope: Scope) -> tuple[Match, Scope]:
        """Which of our routes serves a scope; before the start, whether one will."""
        if self._started is None:
            return (
                (Match.FULL, {"live.route": None})
                if self._will_claim(route_path(scope))
                else (Match.NONE, {})
            )
        partial: tuple[Match, Scope] = (Match.NONE, {})
        for route in self._started.routes:
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, "live.route": route}
            if match is Match.PARTIAL and partial[0] is Match.NONE:
                partial = match, {**child, "live.route": route}
        return partial

    def _will_claim(self, path: str) -> bool:
        paths = [self.faye, "/live", *(declared.path for declared in self.declarations())]
        return any(path == ours or path.startswith(ours + "/") for ours in (self._prefix + p for p in paths))


class LiveRoute(BaseRoute):
    """All paths of a Live as one route: it follows declarations that come after it was added."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] not in ("http", "websocket"):
            return Match.NONE, {}
        return self._live.match(scope)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        route: BaseRoute | None = scope["live.route"]
        if route is not None:
            await route.handle(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1012, "reason": "not started"})
        else:
            await rest.problem(503, "Service Unavailable", NOT_STARTED)(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NoMatchFound(name, path_params)


class BayeuxRoute(BaseRoute):
    """The Bayeux endpoint and what lies under it (``/faye/handshake``, ``/faye.js``), for HTTP and WebSockets."""

    def __init__(self, path: str, server: Server) -> None:
        self._path = path
        self._server = server

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = route_path(scope)
        ours = path == self._path or path.startswith((f"{self._path}/", f"{self._path}."))
        return (Match.FULL, {}) if ours else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._server(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NoMatchFound(name, path_params)


class SessionContext(AbstractAsyncContextManager[Any]):
    """A session as a context manager and, for FastAPI's dependencies, as the async generator behind it."""

    def __init__(self, generator: AsyncGenerator[Any, None]) -> None:
        self._generator = generator
        self._manager = asynccontextmanager(lambda: generator)()

    async def __aenter__(self) -> Any:
        return await self._manager.__aenter__()

    async def __aexit__(self, *error: Any) -> bool | None:
        return await self._manager.__aexit__(*error)

    async def __anext__(self) -> Any:
        return await self._generator.__anext__()

    async def athrow(self, *error: Any) -> Any:
        return await self._generator.athrow(*error)

    async def aclose(self) -> None:
        await self._generator.aclose()


# FastAPI tells a dependency that cleans up from one that doesn't by what it unwraps to.
Live.session.__wrapped__ = Live._sessions  # type: ignore[attr-defined]


def route_path(scope: Scope) -> str:
    """The path below the place where the application is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def check_path(option: str, path: str) -> None:
    """Raise ConfigurationError unless ``path`` is empty or of the form ``/a/b``."""
    if path and (
        not path.startswith("/") or path.endswith("/") or "//" in path or "{" in path or "?" in path
    ):
        raise ConfigurationError(f'{option}: {path!r} is not of the form "/api/todos"')


def open_store(database: Any, **options: Any) -> Store:
    """The store for a database: a URL, an engine, or None for ``$DATABASE_URL``."""
    if database is None:
        database = os.environ.get("DATABASE_URL")
        if database is None:
            raise ConfigurationError("database: none is given, and DATABASE_URL is not set")
    scheme = str(getattr(database, "url", database)).partition(":")[0].partition("+")[0]
    if scheme != "sqlite":
        raise ConfigurationError(f"database: {scheme!r} is not supported; this version speaks sqlite")
    from .stores.sqlite import SQLiteStore

    return SQLiteStore(database, **options)


__all__ = ["Live", "LiveRouter"]
