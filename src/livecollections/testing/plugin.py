"""The pytest plugin: fixtures for tests of an application of the user's. It is there once the package is installed.

Two rules. It imports nothing of ours until a fixture is asked for, so that it slows no other test run and hides no
import from coverage. Each fixture leaves nothing behind.

    live_app        what is served: the user defines it, or names it in the configuration (``live_app = "shop:app"``)
    live_database   where its rows are: an empty SQLite file, which goes with the test
    live_site       the application, served on loopback
    live_clock      its clock, which jumps
    live_proxy      a way to it on which things go wrong
    live_client     a LiveClient of it, open
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from ..collection import LiveClient
    from .clock import Clock
    from .site import Site
    from .site_proxy import SiteProxy

FIXTURES = ("live_app", "live_database", "live_site", "live_clock", "live_proxy", "live_client")
NO_APP = (
    "live_app: no application is given: define a fixture `live_app` that returns yours (a Live, a Bayeux Server, or "
    'an ASGI application that has one inside), or set live_app = "module:name" in pytest\'s configuration'
)
SCOPES = ("function", "class", "module", "package", "session")
NO_LOOP = (
    "live_client: it needs a test that is a coroutine, under pytest-asyncio or anyio: install one of them, or use "
    "`async with live_site.client() as client`"
)
WRONG_SCOPE = (
    "the fixtures of livecollections live as long as pytest's option live_scope says (function, if it is not set): set "
    'live_scope = "module" or "session" in its configuration, or use `with Site(app) as site` in a fixture of your own'
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of pytest's configuration."""
    parser.addini(
        "live_app", 'the application that the fixture live_site serves, as "module:name"', default=""
    )
    parser.addini(
        "live_scope",
        "how long a live_site lives: function, class, module, package or session",
        default="function",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, and let the conformance suites' assertions tell what they saw."""
    if (scope := config.getini("live_scope")) not in SCOPES:
        raise pytest.UsageError(f"live_scope: one of {', '.join(SCOPES)} is expected, not {scope!r}")
    pytest.register_assert_rewrite("livecollections.testing.stores")
    if config.pluginmanager.hasplugin("asyncio"):
        config.pluginmanager.register(on_loops())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Say what to do where a fixture of ours is asked for by one that outlives it."""
    report = cast(pytest.TestReport, (yield))
    said = str(report.longrepr) if report.failed and report.when == "setup" else ""
    if "ScopeMismatch" in said and any(name in said for name in FIXTURES):
        report.sections.append(("livecollections", WRONG_SCOPE))
    return report  # type: ignore[return-value]


def scope(fixture_name: str, config: pytest.Config) -> Any:
    """How long a site lives."""
    return config.getini("live_scope")


@pytest.fixture(scope=cast(Any, scope))
def live_app(request: pytest.FixtureRequest) -> Any:
    """The application to be served: define it yourself, or name it in the configuration.

    A tuple ``(app, live)`` says which Live or Bayeux Server is inside, where that can't be seen.
    """
    name = request.config.getini("live_app")
    if not name:
        pytest.fail(NO_APP, pytrace=False)
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute or "app")
    except (ImportError, AttributeError) as error:
        refusal = f"live_app: {name} is not found: {error}"
    pytest.fail(refusal, pytrace=False)


@pytest.fixture(scope=cast(Any, scope))
def live_database() -> str | None:
    """The database's URL; "temporary": an empty SQLite file; None: the application's own."""
    return "temporary"


@pytest.fixture(scope=cast(Any, scope))
def live_site(live_app: Any, live_database: str | None) -> Iterator[Site]:
    """The application, served on loopback: see ``livecollections.testing.Site``."""
    from ..errors import ConfigurationError
    from .site import Site

    app, *parts = live_app if isinstance(live_app, tuple) else (live_app,)
    refusal = ""
    with ExitStack() as stack:
        try:
            site = stack.enter_context(Site(app, database=live_database, parts=parts))
        except ConfigurationError as error:
            if error.__cause__ is not None:
                raise  # with what the application raised
            refusal = str(error)
        if refusal:
            pytest.fail(f"live_site: {refusal}", pytrace=False)
        yield site


@pytest.fixture(scope=cast(Any, scope))
def live_clock(live_site: Site) -> Clock:
    """The site's clock: ``live_clock.jump(3600)`` lets an hour pass, for the site and for the test's own loop."""
    return live_site.clock


@pytest.fixture
def live_proxy(live_site: Site) -> Iterator[SiteProxy]:
    """A way to the site on which things go wrong: ``cut()``, ``offline()``, ``half_open()``, ``delay()``, …."""
    with live_site.proxy() as proxy:
        yield proxy


@pytest.fixture
def live_client(request: pytest.FixtureRequest, live_site: Site) -> LiveClient:
    """A LiveClient of the site, open on the loop of the test; for tests under pytest-asyncio or anyio."""
    item = request.node
    if request.config.pluginmanager.hasplugin("asyncio"):
        from pytest_asyncio import is_async_test

        if is_async_test(item):
            marker = item.get_closest_marker("asyncio")
            asked = marker.kwargs.get("loop_scope") if marker is not None else None
            loop = asked or request.config.getini("asyncio_default_test_loop_scope")
            return cast("LiveClient", request.getfixturevalue(f"_live_client_of_{loop}"))
    if "anyio_backend" in request.fixturenames:
        return cast("LiveClient", request.getfixturevalue("_live_client_of_anyio"))
    pytest.fail(NO_LOOP, pytrace=False)


async def opened(live_site: Site) -> AsyncIterator[LiveClient]:
    """A client, open as long as its test runs."""
    async with live_site.client() as client:
        yield client


_live_client_of_anyio = pytest.fixture(opened, name="_live_client_of_anyio")


def on_loops() -> ModuleType:
    """``opened`` on each of the loops that pytest-asyncio may run a test on, as a plugin."""
    from pytest_asyncio import fixture

    plugin = ModuleType("livecollections_on_loops")
    for loop in SCOPES:

        async def on_loop(live_site: Site) -> AsyncIterator[LiveClient]:
            async for client in opened(live_site):
                yield client

        name = f"_live_client_of_{loop}"
        setattr(plugin, name, fixture(on_loop, loop_scope=cast(Any, loop), name=name))
    return plugin
