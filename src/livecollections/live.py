"""Live: puts the rooms together. Models are declared on it; it is served, mounted or wrapped.

Two rules. Nothing happens at declaration: no connection, no thread, no table; a model is read at start. The
host application stays what it was: no middleware, no exception handler of ours is added to it.

It knows every room, and none of their work.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Generic, Literal, Self

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Scope

from . import inspector as inspection
from . import openapi, rest, status, vitals
from .application import NOT_STARTED, LiveApp, LiveRoute, refuse
from .bayeux import Server
from .bayeux.origins import Origins
from .bayeux.signals import Signals
from .details import Details, details
from .errors import ConfigurationError, MalformedRequest, StoreUnavailable
from .feed import Feed
from .identity import Identified
from .inspector import Access, Sampler, Scene
from .lifespan import Wrapped
from .listeners import Run as ListenerRun
from .metrics import require_client
from .outlets import Outlets
from .paths import ROUTE, BayeuxRoute, Paths, ReleasedPaths, paths_of, peers_of, route_path
from .policy import Rule
from .query import Query
from .resource import Resource
from .rest.caller import Authenticate, Caller
from .rights import Rights
from .router import Declaration, LiveRouter, check_path
from .sessions import SessionContext, SessionT
from .source import Source
from .statistics import LiveStatistics, Standing
from .stores.administration import Finding
from .stores.administrations import administration_of
from .stores.base import Log, Store
from .stores.choice import open_store
from .tracing import traced
from .versions import Releases
from .view import Views, check_apart, refused, showing
from .watch import Watch
from .webhooks import Webhooks


@dataclass(slots=True)
class Started:
    """What exists between start and stop."""

    store: Store
    feed: Feed
    views: list[Views]
    paths: Paths | ReleasedPaths
    webhooks: Webhooks
    rights: Rights
    standing: Standing
    exit: AsyncExitStack = field(default_factory=AsyncExitStack)


class Live(LiveRouter, Generic[SessionT]):
    """Models with REST, a durable log of their changes, and push over Bayeux.

    database: a URL (``postgresql://…``, ``mongodb://…``, ``sqlite:///todos.db``; ``sqlite://`` is private and
    temporary), an Engine, AsyncEngine or AsyncDatabase of yours, or None for ``$DATABASE_URL``.
    allowed_origins: of browsers, for REST and Bayeux alike (``"https://example.org"``).
    authenticate: ``async (connection: HTTPConnection, ext) -> user``, asked for each request, each handshake (``ext``
    is what its message says, such as a ``token``) and again while a session lives; None: nobody is known by it. A user
    is any object, equal (``==``) when asked for again; one with ``expires_at`` (or ``exp``, in a mapping) is asked
    for again then. With it, a resource that has no ``policy`` is for those who are known.
    create_tables: make missing tables at start; never alters one, and never where ``alembic_version`` exists.
    capture: "install" the triggers at start, or only "check" that they are there.
    releases: of the API, as semantic versions, where resources have ``versions``.
    log: how long changes are kept.  synchronous: of SQLite, "FULL" or "NORMAL" (faster; a power cut loses the
    last commits).  notify: of PostgreSQL, wake all processes at each commit, and not within 20 ms; commits then
    wait for one another.  faye: the path of the Bayeux endpoint.  bayeux: a Server of yours, perhaps shared by two
    Lives.
    inspector: who may open the page at ``/live``: True, False, or a function of the user; None: a developer at this
    machine, where the command line serves it on loopback.
    metrics: serve figures at ``/live/metrics`` for Prometheus; with ``authenticate``, to those who are known.

    Raises ConfigurationError that names a wrong option.
    """

    def __init__(
        self,
        database: Any = None,
        *,
        authenticate: Authenticate | None = None,
        allowed_origins: Sequence[str] = (),
        releases: Sequence[str] = (),
        create_tables: bool = True,
        capture: Literal["install", "check"] = "install",
        log: Log | None = None,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        notify: bool = False,
        faye: str = "/faye",
        bayeux: Server | None = None,
        inspector: Rule | None = None,
        metrics: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(faye, str) or not faye:
            raise ConfigurationError('faye: a path such as "/faye" is needed')
        check_path("faye", faye)
        if authenticate is not None and not callable(authenticate):
            raise ConfigurationError(f"authenticate: a function is needed, not {authenticate!r}")
        if not isinstance(bayeux, Server | None):
            raise ConfigurationError(f"bayeux: a Server is needed, not {bayeux!r}")
        if not isinstance(log, Log | None):
            raise ConfigurationError(f"log: a Log is needed, such as Log(days=7), not {log!r}")
        if not isinstance(create_tables, bool):
            raise ConfigurationError(f"create_tables: True or False is needed, not {create_tables!r}")
        if not isinstance(metrics, bool):
            raise ConfigurationError(f"metrics: True or False is needed, not {metrics!r}")
        if metrics:
            require_client()
        self._metrics = metrics
        self.bayeux = bayeux or Server(allowed_origins=allowed_origins)
        self._faye = faye
        self._owns_bayeux = bayeux is None
        self._allowed_origins = tuple(allowed_origins)
        self._releases = Releases(releases)
        self._administer = partial(administration_of, database, log or Log())
        self._tables: dict[str, type] = {}
        self._open_store = partial(
            open_store,
            database,
            log=log or Log(),
            create_tables=create_tables,
            capture=capture,
            synchronous=synchronous,
            notify=notify,
        )
        self._store = self._open_store()
        self._clock: Callable[[], float] = lambda: time.time()
        self._caller = Caller(authenticate, Origins(self._allowed_origins), lambda: self._clock())
        self._access = Access(inspector, self._caller)
        self._prefix = ""
        self._started: Started | None = None

    # Starting and stopping

    async def __aenter__(self) -> Self:
        """Start: open the database, install capture, read the log, serve. May follow a stop, on another loop.

        Raises ConfigurationError, StoreUnavailable, CaptureMissing; then nothing is left running.
        """
        if self._started is not None:
            raise ConfigurationError("this Live is started already: start it in one place only")
        async with AsyncExitStack() as stack:
            self._started = await self._start(stack)
            self._started.exit = stack.pop_all()
        self._mark_serving(True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop: answer held polls, end streams, close sockets, finish waiting writes."""
        started, self._started = self._started, None
        self._mark_serving(False)
        if started is not None:
            await started.exit.aclose()

    def _mark_serving(self, is_serving: bool) -> None:
        for router in self._with_included():
            router._is_serving = is_serving

    async def _open(self) -> tuple[list[Resource], dict[type, Source]]:
        """Start the store; the answer has the resources, and the sources that listeners hear by model."""
        described, heard, sources = await self._described_sources()
        await self._store.start(sources)
        return described, heard

    async def _described_sources(self) -> tuple[list[Resource], dict[type, Source], list[Source]]:
        """The resources, the sources that listeners hear by model, and all sources; the store need not be started."""
        names = {one.model for one in self._all_declarations() if isinstance(one.model, str)}
        self._tables = await self._administer().models(names) if names else {}
        described = self._describe_all()
        sources = {resource.source.name: resource.source for resource in described}
        heard = {
            listener.model: self._store.describe(listener.model, Resource.excluded(listener.model))
            for listener in self._all_listeners()
        }
        for source in heard.values():
            sources.setdefault(source.name, source)
        return described, heard, list(sources.values())

    async def _start(self, stack: AsyncExitStack) -> Started:
        stack.push_async_callback(self._store.stop)
        described, heard = await self._open()
        views = [Views(resource, resource.policy) for resource in described]
        check_apart(views)
        by_channel = {one.resource.channel: one.resource for one in views if one.is_open}
        guarded = [one for one in views if not one.is_open]
        store, publisher = traced(self._store, self.bayeux)
        feed = Feed(store, publisher, by_channel, self._clock, [Outlets(one) for one in guarded])
        rights = Rights(guarded, feed, self.bayeux._exchange, self._caller.user)
        if self._owns_bayeux or not self.bayeux.running:
            await self.bayeux.start()
            stack.push_async_callback(self.bayeux.close)
        await feed.start()
        stack.push_async_callback(feed.stop)
        for channel in by_channel:
            self.bayeux.add_history(channel, feed)
            stack.callback(self.bayeux.remove_history, channel)
        watch = Watch(self._store, feed.position)
        watch.start()
        stack.push_async_callback(watch.stop)
        self._guard(rights, stack)
        webhooks = Webhooks((one.told for one in views), self._store, self._clock)
        runs = [
            ListenerRun(listener, heard[listener.model].name, self._store, feed, self._clock)
            for listener in self._all_listeners()
        ]
        for run in runs:
            run.start()
        webhooks.start(feed)
        stack.push_async_callback(stop_together, [webhooks, *runs])
        # What waits for a lock, in the way of all that stops before the store does.
        stack.callback(self._store.hasten)
        signals = Signals(asyncio.get_running_loop(), self._end)
        signals.install()
        stack.callback(signals.restore)
        standing = Standing(self.bayeux.statistics, feed, watch)
        paths = self._paths(views, store, standing, feed)
        return Started(store, feed, views, paths, webhooks, rights, standing)

    def _guard(self, rights: Rights, stack: AsyncExitStack) -> None:
        """Have rights asked for, until the stop."""
        self._caller.watch = rights.watch
        engine = self.bayeux._engine
        if self._caller.knows_users:
            identified = Identified(engine.policy, self._caller, rights.watch)
            rights.identify = identified.user_of
            engine.follow(identified)
            stack.callback(lambda: engine.follow(identified.left(engine.policy)))
        rights.start()
        stack.push_async_callback(rights.stop)

    async def _end(self) -> None:
        if self._started is not None:
            self._started.standing.is_stopping = True
        self._store.hasten()
        await self.bayeux.close()

    def _describe_all(self) -> list[Resource]:
        ranges: dict[str, bool] = {}
        declared = self._all_declarations()
        for one in declared:
            has_range = "versions" in one.options
            is_taken = one.path in ranges and not (has_range and ranges[one.path])
            if is_taken or one.path in (self._faye, "/live"):
                raise ConfigurationError(f"path: {one.path} is taken already")
            ranges[one.path] = has_range
        # Of a table that is offered by its name nothing is known before the start.
        known = [one for one in declared if not isinstance(one.model, str) or one.model in self._tables]
        return self._releases.assigned([self._describe(one) for one in known])

    def _describe(self, declared: Declaration) -> Resource:
        model = self._tables[declared.model] if isinstance(declared.model, str) else declared.model
        exclude = Resource.excluded(model, declared.options.get("exclude", ()))
        source = self._store.describe(model, exclude)
        default = {"policy": lambda user: user is not None} if self._caller.knows_users else {}
        return Resource.build(self._prefix + declared.path, source, **{**default, **declared.options})

    def _paths(
        self, views: Sequence[Views], store: Store, standing: Standing, feed: Feed
    ) -> Paths | ReleasedPaths:
        bayeux = self._prefix + self._faye
        offered = [one for one in views if self._releases.has(one.resource)]
        sampler = Sampler(self.statistics, self._details, feed)
        others = [
            BayeuxRoute(bayeux, self.bayeux),
            *status.routes(self._prefix),
            *inspection.routes(
                self._prefix, bayeux, Scene(self._access, self._caller, self.bayeux, offered, sampler)
            ),
            *vitals.routes(self._prefix, standing.glance, self._caller if self._metrics else None),
        ]
        peers = peers_of(self._releases, views)
        routes = partial(rest.routes, allowed_origins=self._allowed_origins, peers=peers)
        served = [(one.resource, routes(one, store, self.bayeux, self._caller)) for one in views]
        return paths_of(self._releases, served, others)

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
        return LiveApp(
            routes=[LiveRoute(self), *described],
            lifespan=self.lifespan,
            exception_handlers={HTTPException: refuse},
        )

    def mount(self, app: Any, prefix: str = "") -> None:
        """Add our paths to a Starlette or FastAPI application, chain its lifespan, and list us in its OpenAPI.

        prefix: put before each path, and so before each channel.
        """
        check_path("prefix", prefix)
        if not hasattr(app, "router") or not hasattr(app.router, "lifespan_context"):
            raise ConfigurationError(
                f"mount: a Starlette or FastAPI application is needed, not {app!r}; `wrap` takes any other"
            )
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
            app.openapi = lambda: openapi.merge(described(), self._described(), self._releases.default)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Go around any other ASGI application: our paths are ours, everything else is passed on to it."""
        if not callable(app):
            raise ConfigurationError(f"wrap: an ASGI application is needed, not {app!r}")
        return Wrapped(app, LiveRoute(self), self)

    def _openapi(self, release: str | None = None) -> dict[str, Any]:
        return openapi.document(self._described(release), release=self._releases.choose(release))

    def _described(self, release: str | None = None) -> list[Resource]:
        """The resources of a release; of the one that answers by default, if None."""
        started = self._started
        described = self._describe_all() if started is None else [one.resource for one in started.views]
        resources = [Views(one, one.policy).shown for one in described]
        return [one for one in resources if self._releases.has(one, release)]

    # Using it from Python

    def session(
        self,
        request: Request = None,  # type: ignore[assignment]
        response: Response = None,  # type: ignore[assignment]
    ) -> SessionContext[SessionT]:
        """An AsyncSession on our engine: ``async with live.session() as session``, or ``Depends(live.session)``.

        With MongoDB an AsyncClientSession of PyMongo: annotate the Live as ``Live[AsyncClientSession]``.
        As a dependency its commits carry the request's Live-Origin, and the response gets Live-Seq.
        """
        return SessionContext(self._sessions(request, response))

    async def _sessions(self, request: Request, response: Response) -> AsyncGenerator[SessionT, None]:
        origin = None
        try:
            started = self._require_start()
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

        async with started.store.session(origin, committed) as session:
            yield session

    async def snapshot(
        self, model: type, query: Query | None = None, *, user: Any = None, path: str | None = None
    ) -> tuple[list[dict[str, Any]], str]:
        """The documents of a model and the seq that they hold, for a page that is rendered with them for a user.

        path: of the list; needed where several resources show the model (of the default release), or where values
        stand in it (``/rooms/7/messages``).
        Raises ConfigurationError where none or several show it; RequestRefused where the user may not list it.
        """
        offered = [one for one in self._require_start().views if self._releases.has(one.resource)]
        views, values = showing(offered, model, path)
        view = views.of(user, values)
        if "list" not in view.rights:
            raise refused(user, f"you may not list {view.path}")
        found = await rest.portion(self._store, view).find(view.source, query or Query())
        return view.documents(found.rows), found.seq

    @property
    def webhooks(self) -> Webhooks:
        """The webhooks of its resources, and their dead letters. Raises StoreUnavailable before the start."""
        return self._require_start().webhooks

    def disconnect(self, user: Any) -> None:
        """End all sessions and streams of a user here; their clients come back as who they are then."""
        self._require_start().rights.disconnect(user)

    async def recheck(self, user: Any) -> None:
        """Ask again whose the sessions and streams of a user are, and what he may hear: his rights have changed."""
        await self._require_start().rights.recheck(user)

    def statistics(self) -> LiveStatistics:
        """What it has to do now, and has done since it was started; the database is not asked.

        Raises StoreUnavailable before the start.
        """
        return self._require_start().standing.take()

    def _details(self) -> Details:
        return details(self.bayeux._exchange, self._require_start().feed)

    def _require_start(self) -> Started:
        if self._started is None:
            raise StoreUnavailable(NOT_STARTED)
        return self._started

    # For LiveRoute

    def _match(self, scope: Scope) -> tuple[Match, Scope]:
        """Which of our routes serves a scope; before the start, whether one will."""
        if self._started is None:
            return (Match.FULL, {ROUTE: None}) if self._will_claim(route_path(scope)) else (Match.NONE, {})
        return self._started.paths.match(scope)

    def _will_claim(self, path: str) -> bool:
        declared = (each.path.partition("/{")[0] for each in self._all_declarations())
        paths = [self._faye, "/live", *declared]
        return any(path == ours or path.startswith(ours + "/") for ours in (self._prefix + p for p in paths))


# FastAPI tells a dependency that cleans up from one that doesn't by what it unwraps to.
Live.session.__wrapped__ = Live._sessions  # type: ignore[attr-defined]


async def rehearse(live: Live[Any], workers: int) -> None:
    """Open and close the database of a Live as its start in each of several processes will.

    Raises ConfigurationError, StoreUnavailable, CaptureMissing.
    """
    if not live._store.is_shared:
        raise ConfigurationError(f"database: one in memory can't serve {workers} processes; give it a file")
    try:
        await live._open()
    finally:
        await live._store.stop()


async def examine(live: Live[Any]) -> list[Finding]:
    """How the database of a Live is, for what is declared there; nothing in it is changed.

    Raises ConfigurationError, StoreUnavailable.
    """
    _, _, sources = await live._described_sources()
    return await live._administer().examine(sources)


async def stop_together(parts: Sequence[ListenerRun | Webhooks]) -> None:
    """Stop parts that may each take a second, in one."""
    await asyncio.gather(*(each.stop() for each in parts))


__all__ = ["Live"]
