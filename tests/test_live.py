"""Live: alone, mounted, wrapped; sessions, snapshots, start and stop. Real store, real server, real sockets."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from sqlmodel import Field, SQLModel, select
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from livecollections import ConfigurationError, Live, LiveRouter, Log, StoreUnavailable
from livecollections.bayeux import Context, Server
from livecollections.bayeux.connection import Connection
from livecollections.bayeux.extension import BACKLOG
from tests.serving import served, wait_until


class Task(SQLModel, table=True):
    __tablename__ = "live_task"
    id: int | None = Field(default=None, primary_key=True)
    title: str
    done: bool = False


class Tag(SQLModel, table=True):
    __tablename__ = "live_tag"
    name: str = Field(primary_key=True)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'live.db'}"


def make(url: str | None = "sqlite://", **options: Any) -> Live:
    live = Live(url, **options)
    live.add_resource("/api/tasks", Task)
    return live


@asynccontextmanager
async def client_of(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with served(app) as address, httpx.AsyncClient(base_url=address) as client:
        yield client


@asynccontextmanager
async def client_of_started(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Starlette(routes=[live.router]))
    async with httpx.AsyncClient(transport=transport, base_url="http://live") as client:
        yield client


class Stamped:
    """A middleware of the user's."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def stamped(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-stamped", b"yes")]
            await send(message)

        await self._app(scope, receive, stamped)


async def test_what_is_ours_goes_past_the_layers_of_an_app_only_while_it_has_none_of_the_users() -> None:
    live = make()
    app = live.app
    async with client_of(app) as client:
        assert "x-stamped" not in (await client.get("/api/tasks")).headers
        assert (await client.get("/api/nothing")).status_code == 404
    app = live.app
    app.add_middleware(Stamped)
    async with client_of(app) as client:
        assert (await client.get("/api/tasks")).headers["x-stamped"] == "yes"
        assert (await client.get("/api/nothing")).headers["x-stamped"] == "yes"


async def test_the_ten_lines_work() -> None:
    async with client_of(make().app) as client:
        created = await client.post("/api/tasks", json={"title": "milk"})
        assert created.status_code == 201
        assert (await client.get("/api/tasks")).json() == [{"id": 1, "title": "milk", "done": False}]
        assert (await client.get("/live/health")).json()["status"] == "ok"
        assert (await client.get("/live")).status_code == 404
        script = await client.get("/live/livecollections.js")
        assert "LiveCollection" in script.text
        again = await client.get(
            "/live/livecollections.js", headers={"If-None-Match": script.headers["ETag"]}
        )
        assert again.status_code == 304
        assert "/api/tasks" in (await client.get("/openapi.json")).json()["paths"]
        assert (await client.get("/docs")).status_code == 200
        assert (await client.get("/nothing")).status_code == 404


async def test_nothing_happens_at_declaration(tmp_path: Path) -> None:
    make(f"sqlite:///{tmp_path / 'absent' / 'x.db'}")
    assert not (tmp_path / "absent").exists()


async def test_a_change_reaches_a_subscriber(url: str) -> None:
    live = make(url)
    heard: list[Any] = []
    async with live:
        client = live.bayeux.local_client()
        await client.subscribe("/api/tasks", heard.append)
        async with live.session() as session:
            session.add(Task(title="milk"))
            await session.commit()
        await wait_until(lambda: heard)
        await client.disconnect()


async def test_an_extension_sees_what_the_feed_publishes_in_order_and_holds_it_up(url: str) -> None:
    gate = asyncio.Event()

    class Stamp:
        async def outgoing(self, message: dict[str, Any], context: Context) -> dict[str, Any]:
            await gate.wait()
            message["data"]["stamped"] = True
            return message

    live = make(url)
    heard: list[Any] = []
    live.bayeux.add_extension(Stamp())
    async with live:
        client = live.bayeux.local_client()
        await client.subscribe("/api/tasks", heard.append)
        async with live.session() as session:
            session.add_all([Task(title=str(number)) for number in range(BACKLOG + 200)])
            await session.commit()
        extensions = live.bayeux._exchange.extensions
        await wait_until(lambda: len(extensions._strand) >= BACKLOG)
        for _ in range(20):
            await asyncio.sleep(0)
        # The rest waits in the log.
        assert len(extensions._strand) < BACKLOG + 100
        assert not heard
        gate.set()
        await wait_until(lambda: len(heard) == BACKLOG + 200)
        await client.disconnect()
    assert [data["body"]["title"] for data in heard] == [str(number) for number in range(BACKLOG + 200)]
    assert all(data["stamped"] for data in heard)


async def test_a_stranger_is_heard_within_50_ms(tmp_path: Path) -> None:
    path = tmp_path / "live.db"
    live = make(f"sqlite:///{path}")
    loop = asyncio.get_running_loop()
    delays: list[float] = []
    async with live:
        client = live.bayeux.local_client()
        arrived: asyncio.Queue[float] = asyncio.Queue()
        await client.subscribe("/api/tasks", lambda data: arrived.put_nowait(loop.time()))
        with closing(sqlite3.connect(path)) as shell:
            for _ in range(20):
                shell.execute("insert into live_task (title, done) values ('x', 0)")
                shell.commit()
                written = loop.time()
                delays.append(await asyncio.wait_for(arrived.get(), 5) - written)
        await client.disconnect()
    assert sorted(delays)[len(delays) // 2] < 0.05


# Mounted, wrapped, included


async def test_mounted_into_fastapi(url: str) -> None:
    live = make(url)
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        events.append("host up")
        yield
        events.append("host down")

    app = FastAPI(lifespan=lifespan)

    @app.get("/hello")
    async def hello() -> str:
        return "hello"

    live.mount(app)
    live.add_resource("/api/tags", Tag)
    middleware, handlers = list(app.user_middleware), dict(app.exception_handlers)
    async with client_of(app) as client:
        assert (await client.get("/hello")).json() == "hello"
        assert (await client.post("/api/tags", json={"name": "red"})).status_code == 201
        assert (await client.get("/api/tasks")).json() == []
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert {"/hello", "/api/tasks", "/api/tags", "/api/tasks/{id}"} <= paths.keys()
        assert (await client.get("/docs")).text.count("swagger") > 0
        shaken = await client.post(
            "/faye",
            json=[
                {"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"]}
            ],
        )
        assert shaken.json()[0]["successful"] is True
    assert events == ["host up", "host down"]
    assert (app.user_middleware, app.exception_handlers) == (middleware, handlers)


async def test_mounted_under_a_prefix(url: str) -> None:
    live = make(url)
    app = FastAPI()
    live.mount(app, prefix="/v1")
    async with client_of(app) as client:
        listed = await client.get("/v1/api/tasks")
        assert listed.headers["Live-Channel"] == "/v1/api/tasks"
        assert (await client.get("/v1/live/health")).status_code == 200
        assert (await client.get("/api/tasks")).status_code == 404


async def test_wrapped_around_another_application(url: str) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, int]]:
        events.append("up")
        yield {"answer": 42}
        events.append("down")

    async def home(request: Any) -> PlainTextResponse:
        return PlainTextResponse(str(request.state.answer))

    app = make(url).wrap(Starlette(routes=[Route("/", home)], lifespan=lifespan))
    async with client_of(app) as client:
        assert (await client.get("/")).text == "42"
        assert (await client.get("/api/tasks")).json() == []
        assert (await client.put("/api/tasks", json={})).status_code == 405
        assert (await client.get("/docs")).status_code == 404
    assert events == ["up", "down"]


async def test_wrapped_around_one_without_a_lifespan(url: str) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http", "no lifespan here"
        await PlainTextResponse("bare")(scope, receive, send)

    async with client_of(make(url).wrap(bare)) as client:
        assert (await client.get("/anything")).text == "bare"
        assert (await client.get("/api/tasks")).json() == []


async def test_a_router_may_be_included_before_it_is_filled(url: str) -> None:
    live = Live(url)
    router = LiveRouter(prefix="/api")
    live.include_router(router)

    router.add_resource("/tasks", Task)
    async with client_of(live.app) as client:
        assert (await client.get("/api/tasks")).headers["Live-Channel"] == "/api/tasks"


async def test_its_route_and_lifespan_serve_in_a_starlette(url: str) -> None:
    live = make(url)
    async with client_of(Starlette(routes=[live.router], lifespan=live.lifespan)) as client:
        assert (await client.get("/api/tasks")).json() == []


async def test_two_lives_share_a_server(tmp_path: Path) -> None:
    bayeux = Server()
    one = Live(f"sqlite:///{tmp_path / 'a.db'}", bayeux=bayeux)
    one.add_resource("/tasks", Task)
    two = Live(f"sqlite:///{tmp_path / 'b.db'}", bayeux=bayeux)
    two.add_resource("/tags", Tag)
    heard: list[Any] = []
    async with one, two:
        client = bayeux.local_client()
        await client.subscribe("/tasks", heard.append)
        await client.subscribe("/tags", heard.append)
        async with one.session() as session:
            session.add(Task(title="a"))
            await session.commit()
        async with two.session() as session:
            session.add(Tag(name="b"))
            await session.commit()
        await wait_until(lambda: len(heard) == 2)
        await client.disconnect()


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "last"])
async def test_two_lives_with_users_share_a_server_and_stop_in_any_order(
    tmp_path: Path, is_first: bool
) -> None:
    bayeux = Server()
    policy = bayeux._engine.policy
    tokens = ("ann", "bob")

    def knowing(token: str) -> Live[Any]:
        async def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> str | None:
            return token if connection.headers.get("x-token") == token else None

        return Live(f"sqlite:///{tmp_path / token}.db", bayeux=bayeux, authenticate=authenticate)

    async def known() -> list[Any]:
        scopes = [{"type": "http", "headers": [(b"x-token", token.encode())]} for token in tokens]
        return [await bayeux._engine.policy.identify(Connection("", scope)) for scope in scopes]

    await bayeux.start()
    lives = [knowing(token) for token in tokens]
    for live in lives:
        await live.__aenter__()
    assert await known() == ["ann", "bob"]
    first, last = lives if is_first else lives[::-1]
    await first.__aexit__(None, None, None)
    assert await known() == ([None, "bob"] if is_first else ["ann", None])
    await last.__aexit__(None, None, None)
    assert bayeux._engine.policy is policy
    await bayeux.close()


# Sessions and snapshots


async def test_a_session_as_a_dependency_carries_origin_and_seq(url: str) -> None:
    live = make(url)
    app = FastAPI()
    live.mount(app)

    @app.post("/buy/{title}")
    async def buy(title: str, session: Any = Depends(live.session)) -> int | None:
        task = Task(title=title)
        session.add(task)
        await session.commit()
        return task.id

    @app.post("/fail")
    async def fail(session: Any = Depends(live.session)) -> None:
        session.add(Task(title="never"))
        await session.flush()
        raise RuntimeError("after the flush")

    heard: list[Any] = []
    async with client_of(app) as client:
        local = live.bayeux.local_client()
        await local.subscribe("/api/tasks", heard.append)
        bought = await client.post("/buy/milk", headers={"Live-Origin": "mine"})
        assert bought.status_code == 200, bought.text
        await wait_until(lambda: heard)
        assert heard[0]["origin"] == "mine"
        assert bought.headers["Live-Seq"] == heard[0]["seq"]
        refused = await client.post("/buy/eggs", headers={"Live-Origin": "no token"})
        assert refused.status_code == 400
        assert "Live-Origin" in refused.text
        assert (await client.post("/fail")).status_code == 500
        assert [task["title"] for task in (await client.get("/api/tasks")).json()] == ["milk"]
        await local.disconnect()


async def test_a_session_reads_its_writes_and_rolls_back(url: str) -> None:
    live = make(url)
    async with live:
        async with live.session() as session:
            session.add(Task(title="a"))
            await session.commit()
            session.add(Task(title="b"))
            await session.rollback()
        async with live.session() as session:
            assert [task.title for task in (await session.exec(select(Task))).all()] == ["a"]


async def test_a_session_that_reads_keeps_nobody_from_writing(url: str) -> None:
    live = make(url)
    async with live, client_of_started(live) as client:
        async with live.session() as reading:
            assert (await reading.exec(select(Task))).all() == []
            assert (await client.post("/api/tasks", json={"title": "a"})).status_code == 201
            assert (await reading.exec(select(Task))).all() == []
            reading.add(Task(title="b"))
            await reading.commit()
            titles = [task.title for task in (await reading.exec(select(Task).order_by("id"))).all()]
        assert titles == ["a", "b"]
        assert [task["title"] for task in (await client.get("/api/tasks")).json()] == ["a", "b"]


async def test_a_session_undoes_to_a_savepoint(url: str) -> None:
    live = make(url)
    async with live:
        async with live.session() as session:
            session.add(Task(title="kept"))
            await session.flush()
            savepoint = await session.begin_nested()
            session.add(Task(title="undone"))
            await session.flush()
            await savepoint.rollback()
            await session.commit()
        assert [document["title"] for document in (await live.snapshot(Task))[0]] == ["kept"]


async def test_a_snapshot_gives_documents_and_their_seq(url: str) -> None:
    live = make(url)
    async with live:
        async with live.session() as session:
            session.add(Task(title="a"))
            await session.commit()
        documents, seq = await live.snapshot(Task)
        assert documents == [{"id": 1, "title": "a", "done": False}]
        assert len(seq) == 28
        with pytest.raises(ConfigurationError, match="Tag"):
            await live.snapshot(Tag)


async def test_a_snapshot_is_of_one_resource(url: str) -> None:
    live = Live(url, releases=["1.0.0", "2.0.0"])
    live.add_resource("/tasks", Task, versions="<2", read_only=["done"])
    live.add_resource("/tasks", Task, versions=">=2", exclude=["done"])
    live.add_resource("/by-title/{title}/tasks", Task, sort="-id", versions=">=2")
    live.add_resource("/tags/{name}", Tag)
    live.add_resource("/write-only", Tag, methods=["POST"])
    async with live:
        async with live.session() as session:
            session.add_all([Task(title="a b"), Task(title="c"), Tag(name="d")])
            await session.commit()
        with pytest.raises(
            ConfigurationError, match=r"Task is offered at /tasks, /by-title/\{title\}/tasks: say"
        ):
            await live.snapshot(Task)
        with pytest.raises(
            ConfigurationError, match=r"Tag is offered at /tags/\{name\}: say at which, not '/tags'"
        ):
            await live.snapshot(Tag, path="/tags")
        documents, _ = await live.snapshot(Task, path="/tasks")
        assert documents == [{"id": 1, "title": "a b"}, {"id": 2, "title": "c"}]
        documents, _ = await live.snapshot(Task, path="/by-title/a b/tasks")
        assert documents == [{"id": 1, "title": "a b", "done": False}]
        assert (await live.snapshot(Tag, path="/tags/x"))[0] == []
        with pytest.raises(ConfigurationError, match="say at which, not None"):
            await live.snapshot(Tag)


# Start and stop


def test_it_starts_again_on_another_loop(url: str) -> None:
    live = make(url)

    async def once(title: str) -> list[str]:
        heard: list[Any] = []
        async with live:
            client = live.bayeux.local_client()
            await client.subscribe("/api/tasks", heard.append)
            async with live.session() as session:
                session.add(Task(title=title))
                await session.commit()
            await wait_until(lambda: heard)
            await client.disconnect()
            return [document["title"] for document in (await live.snapshot(Task))[0]]

    assert asyncio.run(once("a")) == ["a"]
    assert asyncio.run(once("b")) == ["a", "b"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/api/tasks/1/comments", 404),
        ("GET", "/live/nothing", 404),
        ("POST", "/live/health", 405),
        ("DELETE", "/live", 405),
        ("PUT", "/live/livecollections.js", 405),
        ("PATCH", "/api/tasks", 405),
    ],
)
async def test_what_is_not_there_is_a_problem_document(url: str, method: str, path: str, status: int) -> None:
    async with client_of(make(url).app) as client:
        answer = await client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert ("allow" in answer.headers) == (status == 405)


async def test_mounted_our_405_is_a_problem_document_too(url: str) -> None:
    app, live = FastAPI(), make(url)
    live.mount(app)
    async with client_of(app) as client:
        answer = await client.post("/live/health")
        assert answer.status_code == 405
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await client.get("/nothing")).json() == {"detail": "Not Found"}


async def test_what_is_declared_after_the_start_is_refused(url: str) -> None:
    live, router = make(url), LiveRouter()
    live.include_router(router)
    async with live:
        for declare in (
            lambda: live.add_resource("/api/tags", Tag),
            lambda: router.add_resource("/api/tags", Tag),
            lambda: live.resource("/api/tags")(Tag),
            lambda: live.on(Tag)(print),
            lambda: live.include_router(LiveRouter()),
        ):
            with pytest.raises(ConfigurationError, match="after the start"):
                declare()
    router.add_resource("/api/tags", Tag)
    async with client_of(live.app) as client:
        assert (await client.get("/api/tags")).status_code == 200


def test_a_router_does_not_include_itself() -> None:
    one, two = LiveRouter(), LiveRouter()
    one.include_router(two)
    for router in (one, two):
        with pytest.raises(ConfigurationError, match="itself"):
            two.include_router(router)


async def test_a_list_may_lie_below_another(url: str) -> None:
    live = make(url)
    live.add_resource("/api/tasks/tags", Tag)
    async with client_of(live.app) as client:
        assert (await client.post("/api/tasks/tags", json={"name": "red"})).status_code == 201
        assert (await client.get("/api/tasks/tags")).json() == [{"name": "red"}]
        assert (await client.get("/api/tasks/tags/red")).json() == {"name": "red"}
        assert (await client.get("/api/tasks/1")).status_code == 404


@pytest.mark.parametrize("path", ["/api/tasks", "/faye", "/live"])
async def test_a_path_that_is_taken_is_named_at_the_start(url: str, path: str) -> None:
    live, router = make(url), LiveRouter()
    router.add_resource(path, Tag)
    live.include_router(router)
    with pytest.raises(ConfigurationError, match=path):
        await live.__aenter__()


async def test_before_the_start_requests_are_told_what_helps() -> None:
    app = make().app
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        for path in ("/api/tasks", "/faye", "/live/health"):
            answer = await client.get(path)
            assert answer.status_code == 503
            assert "lifespan" in answer.json()["detail"]
    with pytest.raises(StoreUnavailable, match="lifespan"):
        async with make().session():
            raise AssertionError("not reached")


async def test_a_second_start_is_refused(url: str) -> None:
    live = make(url)
    async with live:
        with pytest.raises(ConfigurationError, match="started already"):
            await live.__aenter__()


async def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    live = make(f"sqlite:///{tmp_path / 'absent' / 'x.db'}")
    with pytest.raises(StoreUnavailable):
        await live.__aenter__()
    (tmp_path / "absent").mkdir()
    async with live:
        assert (await live.snapshot(Task))[0] == []


@pytest.mark.parametrize(
    ("declare", "named"),
    [
        (lambda: Live("mysql://x/y"), "mysql"),
        (lambda: Live("nonsense"), "database"),
        (lambda: Live(42), "database"),
        (lambda: Live("sqlite://", faye="faye"), "faye"),
        (lambda: Live("sqlite://", faye=""), "faye"),
        (lambda: Live("sqlite://", faye=3), "faye"),  # type: ignore[arg-type]
        (lambda: Live("sqlite://", bayeux=3), "bayeux"),  # type: ignore[arg-type]
        (lambda: Live("sqlite://", log=5), "log"),  # type: ignore[arg-type]
        (lambda: Live("sqlite://", log=Log(schema="shop")), "schema"),
        (lambda: Live("sqlite://", create_tables="no"), "create_tables"),  # type: ignore[arg-type]
        (lambda: Log(days=-1), "days"),
        (lambda: Log(days="7"), "days"),  # type: ignore[arg-type]
        (lambda: Log(changes=0), "changes"),
        (lambda: Log(changes=1.5), "changes"),  # type: ignore[arg-type]
        (lambda: Log(prefix="live-"), "prefix"),
        (lambda: make().mount(3), "mount"),
        (lambda: make().mount(FastAPI(), prefix="x"), "prefix"),
        (lambda: make().wrap(3), "wrap"),  # type: ignore[arg-type]
        (lambda: make().resource(3)(Tag), "path"),  # type: ignore[arg-type]
        (lambda: make().add_resource("/tags", 3), "model"),  # type: ignore[arg-type]
        (lambda: make().on(3)(print), "model"),  # type: ignore[arg-type]
        (lambda: make().on(Tag)(3), "on: a function"),  # type: ignore[type-var]
        (lambda: make().on(Tag, durable=3)(print), "durable"),  # type: ignore[arg-type]
        (lambda: make().include_router(3), "router"),  # type: ignore[arg-type]
        (lambda: make().include_router(make()), "router"),
        (lambda: LiveRouter(prefix=3), "prefix"),  # type: ignore[arg-type]
        (lambda: Live("sqlite://", capture="sometimes"), "capture"),  # type: ignore[arg-type]
        (lambda: Live("sqlite://", synchronous="HALF"), "synchronous"),  # type: ignore[arg-type]
        (lambda: Live("sqlite://", allowed_origins=["example.org"]), "allowed_origins"),
        (lambda: Live("sqlite://", allowed_origins="https://example.org"), "allowed_origins"),
        (lambda: make().add_table("/orders", Task), "table"),  # type: ignore[arg-type]
        (lambda: make().add_table("/orders", ""), "table"),
        (lambda: make().add_table("orders", "shop_order"), "path"),
        (lambda: make().add_table("/orders", "shop_order", colour="red"), "colour"),  # type: ignore[call-arg]
        (lambda: make().add_resource("api", Task), "path"),
        (lambda: make().add_resource("", Task), "path"),
        (lambda: make().add_resource("/api/tasks", Tag), "declared already"),
        (lambda: make().add_resource("/tags", Tag, colour="red"), "colour"),  # type: ignore[call-arg]
        (lambda: make().add_resource("/tags", Tag, methods=["FETCH"]), "FETCH"),
        (lambda: LiveRouter(prefix="api/"), "prefix"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(declare: Any, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        declare()


async def test_a_field_that_is_not_there_is_named_at_the_start(url: str) -> None:
    live = Live(url)
    live.add_resource("/tasks", Task, exclude=["colour"])
    with pytest.raises(ConfigurationError, match="colour"):
        await live.__aenter__()


async def test_the_database_comes_from_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    async with make(None):
        pass
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        make(None)
