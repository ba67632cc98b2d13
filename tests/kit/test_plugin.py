"""The plugin in a pytest of its own: as users run theirs, in an empty folder, with warnings as errors."""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from livecollections.testing import Site

pytest_plugins = ("pytester",)
LOADED = (Site,)
"""What an inner run loads it forgets, and the next one would have two of each class: so it is here before."""

APP = """
    from sqlmodel import Field, SQLModel
    from livecollections import Live

    live = Live("sqlite:///never-made.db")

    @live.resource("/api/todos")
    class Todo(SQLModel, table=True):
        __tablename__ = "%s"
        id: int | None = Field(default=None, primary_key=True)
        title: str

    app = live.app
"""
LIGHT = {
    "livecollections", "livecollections.version", "livecollections.testing", "livecollections.testing.plugin",
}  # fmt: skip
OPTIONS = ("-p", "no:cacheprovider", "-W", "error")
LOOPS = ("-o", "asyncio_default_fixture_loop_scope=function")


def run(pytester: pytest.Pytester, *options: str, **files: str) -> str:
    """What pytest says in a folder with these modules; nothing of the fixtures is left then."""
    before = left()
    if files:
        pytester.makepyfile(**{name: dedent(text) for name, text in files.items()})
    result = pytester.runpytest_inprocess(*OPTIONS, *options)
    assert not (pytester.path / "never-made.db").exists()
    gc.collect()
    now = left()
    assert now[0] <= before[0], "threads, files and children"
    assert now[1] <= before[1], "open descriptors"
    return f"{result.stdout}\n{result.stderr}"


def left() -> tuple[set[str], int]:
    """The names of threads, of the kit's files and of children; and the number of open descriptors."""
    process = psutil.Process()
    files = {path.name for path in Path(tempfile.gettempdir()).glob("livecollections-*")}
    names = {f"{thread.name} {thread.ident}" for thread in threading.enumerate()}
    return files | names | {str(child.pid) for child in process.children()}, process.num_fds()


def test_an_empty_run_imports_nothing_of_ours(tmp_path: Path) -> None:
    (tmp_path / "test_empty.py").write_text(
        "import sys\ndef test_nothing():\n    print('loaded:', *sys.modules)\n    print('live_site')\n"
    )
    said = subprocess.run(
        [sys.executable, "-m", "pytest", "-qs", *OPTIONS, *LOOPS, "--rootdir", str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    loaded = next(line for line in said.splitlines() if "loaded:" in line).split()[1:]
    assert {name for name in loaded if name.startswith("livecollections")} == LIGHT
    assert not {"sqlalchemy", "sqlmodel", "starlette", "uvicorn", "httpx", "pydantic"} & set(loaded)


def test_the_fixtures_work_in_tests_of_every_kind(pytester: pytest.Pytester) -> None:
    said = run(
        pytester,
        "-o",
        "live_app=kinds_shop:app",
        "-rA",
        *LOOPS,
        kinds_shop=APP % "kinds_shop",
        conftest="""
            import pytest

            @pytest.fixture(scope="session")
            def anyio_backend():
                return "asyncio"
        """,
        test_kinds="""
            import httpx
            import pytest
            import pytest_asyncio
            from livecollections import LiveClient
            from livecollections.testing import wait_until

            def test_sync(live_site, live_proxy, live_clock):
                live_clock.jump(10)
                assert httpx.get(live_proxy.url + "/api/todos").json() == []
                live_proxy.refuse()
                with pytest.raises(httpx.HTTPError):
                    httpx.get(live_proxy.url + "/api/todos")

            async def see_the_same(site, client, proxy):
                assert isinstance(client, LiveClient)
                async with client.collection("/api/todos") as ours, proxy.client() as other:
                    async with other.collection("/api/todos") as theirs:
                        proxy.cut()
                        await ours.create({"title": "milk"})
                        await site.wait_same(ours, theirs)
                        assert len(theirs) == 1

            @pytest.mark.asyncio
            async def test_asyncio(live_site, live_client, live_proxy):
                await see_the_same(live_site, live_client, live_proxy)

            @pytest.mark.asyncio(loop_scope="module")
            async def test_asyncio_on_the_modules_loop(live_site, live_client, live_proxy, live_clock):
                live_clock.jump(3600)
                await see_the_same(live_site, live_client, live_proxy)

            @pytest.mark.anyio
            async def test_anyio(live_site, live_client, live_proxy):
                await see_the_same(live_site, live_client, live_proxy)

            class TestAnyio:
                @pytest.mark.anyio
                async def test_in_a_class(self, live_site, live_client, live_proxy):
                    await see_the_same(live_site, live_client, live_proxy)

            @pytest_asyncio.fixture
            async def todos(live_client):
                async with live_client.collection("/api/todos") as todos:
                    yield todos

            @pytest.mark.asyncio
            async def test_a_fixture_that_uses_ours(todos, live_site):
                live_site.sql("INSERT INTO kinds_shop (title) VALUES ('milk')")
                await live_site.wait_same(todos)
                assert [todo["title"] for todo in todos] == ["milk"]
        """,
    )
    assert "6 passed" in said, said


def test_a_site_may_live_for_a_module_and_a_fixture_of_ones_own(pytester: pytest.Pytester) -> None:
    said = run(
        pytester,
        "-o",
        "live_scope=module",
        *LOOPS,
        scopes_shop=APP % "scopes_shop",
        test_scopes="""
            import httpx
            import pytest
            from livecollections.testing import Site
            import scopes_shop

            @pytest.fixture(scope="module")
            def live_app():
                return scopes_shop.app

            @pytest.fixture(scope="module")
            def live_database(tmp_path_factory):
                return f"sqlite:///{tmp_path_factory.mktemp('kept') / 'test.db'}"

            @pytest.mark.parametrize("count", range(2))
            def test_rows_stay(live_site, count):
                assert len(httpx.get(live_site.url + "/api/todos").json()) == count
                httpx.post(live_site.url + "/api/todos", json={"title": "milk"}).raise_for_status()

            @pytest.mark.parametrize("_", range(2))
            def test_faults_do_not_stay(live_proxy, _):
                assert len(httpx.get(live_proxy.url + "/api/todos").json()) == 2
                live_proxy.offline()
        """,
    )
    assert "4 passed" in said, said


def test_wrong_use_says_what_to_do(pytester: pytest.Pytester) -> None:
    said = run(
        pytester,
        "-p",
        "no:anyio",
        "-p",
        "no:asyncio",
        wrong_shop=APP % "wrong_shop",
        test_no_app="""
            def test_no_app(live_site): ...
        """,
        test_wrong="""
            import pytest
            from livecollections import Live
            from livecollections.bayeux import Server

            @pytest.fixture
            def live_app(request):
                return request.param

            def apps(*given):
                return pytest.mark.parametrize("live_app", given, indirect=True)

            async def hidden(scope, receive, send): ...

            broken = Live("sqlite://")
            broken.add_resource("/api/numbers", int)

            @apps(hidden)
            def test_not_found(live_site): ...

            @apps(broken)
            def test_fails_at_its_start(live_site): ...

            @apps((hidden, broken))
            def test_not_started(live_site): ...

            @apps((hidden, Server()))
            def test_named(live_site):
                assert live_site.url

            @apps(Server())
            def test_no_loop(live_client): ...

            @pytest.fixture(scope="module")
            def for_long(live_site): ...

            @apps(Server())
            def test_wrong_scope(for_long): ...
        """,
    )
    assert "1 passed, 6 errors" in said, said
    for sentence in (
        "live_app: no application is given: define a fixture `live_app`",
        "live_site: app: there is no Live and no Bayeux Server to be found",
        "the application fails at its start: ",
        "int has no table",
        "the application has started, but not its Live",
        "live_client: it needs a test that is a coroutine",
        "the fixtures of livecollections live as long as pytest's option live_scope says",
    ):
        assert sentence in said, said
    for wrong, sentence in (
        (
            "live_scope=hour",
            "live_scope: one of function, class, module, package, session is expected, not 'hour'",
        ),
        ("live_app=wrong_shop:nothing", "live_app: wrong_shop:nothing is not found"),
    ):
        assert sentence in run(pytester, *LOOPS, "-o", wrong, "test_no_app.py"), wrong


def test_a_client_on_another_loop_says_so(pytester: pytest.Pytester) -> None:
    said = run(
        pytester,
        "-o",
        "live_app=loops_shop:app",
        "-o",
        "asyncio_mode=auto",
        *LOOPS,
        loops_shop=APP % "loops_shop",
        test_loops="""
            import pytest

            async def test_in_auto_mode(live_client):
                await live_client.bayeux.wait_connected(10)

            @pytest.mark.asyncio(loop_scope="module")
            async def test_loops(early):
                async with early.collection("/api/todos"): ...
        """,
        conftest="""
            import pytest_asyncio

            @pytest_asyncio.fixture(loop_scope="session")
            async def early(live_site):
                async with live_site.client() as client:
                    yield client
        """,
    )
    assert "this client was opened on another event loop: open one where you use it" in said, said
    assert "1 failed, 1 passed" in said
