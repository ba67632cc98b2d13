"""The fixture ``database``, and on which databases a test that takes it runs.

On SQLite always. On each of the others one test in sixteen does, drawn by their names, and in ``make test-all`` one in
three, drawn by the commit too, so that a few of these in a row try all; with LIVE_ALL_DATABASES=1 all do.
A test that is of some databases alone says which, and why. Where PostgreSQL, or MongoDB's server or Beanie, can't be
installed none runs on it; where CI is set that fails.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.mongo import server as mongo
from tests.postgres.server import PostgresServer, is_here, server
from tests.scale import FULL, commit, lot, scaled

from .database import Database
from .documents import Mongo
from .tables import Postgres, SQLite

KINDS = ("sqlite", "postgres", "mongo")
ALL = bool(os.environ.get("LIVE_ALL_DATABASES"))
ONE_IN = scaled(16, 3)
"""Of so many tests one is drawn for PostgreSQL, and one for MongoDB."""
COMMIT = commit() if FULL else ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on the databases that are drawn for it, unless it says itself on which."""
    kinds = kinds_of(metafunc.definition)
    given = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "database" in metafunc.fixturenames and not any("database" in names for names in given):
        metafunc.parametrize("database", kinds, indirect=True)
    if "module_database" in metafunc.fixturenames:
        metafunc.parametrize("module_database", kinds, indirect=True, scope="module")


def kinds_of(item: pytest.Item) -> list[str]:
    """The databases of a test: those that do what it needs, and are drawn."""
    marked = next((mark.args for mark in item.iter_markers("only")), KINDS)
    kinds = [kind for kind in marked if is_offered(kind)]
    chosen = drawn(item.nodeid, COMMIT, ONE_IN)
    return [kind for kind in kinds if ALL or kind in (kinds[0], chosen)]


def drawn(name: str, by: str, one_in: int) -> str | None:
    """The database that a test runs on beside its first, if any. by: a commit's hash, for a draw of its own."""
    return dict(enumerate(KINDS[1:])).get(lot(f"{by}{name}", one_in))


def is_offered(kind: str) -> bool:
    """Whether tests run on a kind of database here."""
    needed = {"postgres": is_here, "mongo": mongo.is_here}
    return kind not in needed or needed[kind]() or "CI" in os.environ


def stories(each: int, begin: int, **counts: int) -> pytest.MarkDecorator:
    """Has a test play the stories of ``seeds`` on ``databases``: on each kind of them so many, ``each`` at a time."""
    played = [
        pytest.param(kind, range(first, min(first + each, begin + several)), id=f"{kind}-{first}")
        for kind, several in counts.items()
        if is_offered(kind)
        for first in range(begin, begin + several, each)
    ]
    return pytest.mark.parametrize(("databases", "seeds"), played, indirect=["databases"])


def only(*kinds: str, because: str) -> pytest.MarkDecorator:
    """Marks a test that runs on some databases alone. because: why."""
    assert because
    return pytest.mark.only(*kinds, because=because)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for as long as tests run."""
    with server() as running:
        yield running


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty one, of the kind that the test runs on."""
    with _one(request, tmp_path) as found:
        yield found


@pytest.fixture
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Makes several, each empty, for a test that plays several stories."""
    with ExitStack() as stack:
        made = count()
        yield lambda: stack.enter_context(_one(request, tmp_path / f"{next(made)}"))


@pytest.fixture(scope="module")
def module_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """One that the tests of a module share."""
    with _one(request, tmp_path_factory.mktemp("shared")) as found:
        yield found


@contextmanager
def _one(request: pytest.FixtureRequest, folder: Path) -> Iterator[Database]:
    found: Database
    if request.param == "postgres":
        found = Postgres(request.getfixturevalue("postgres"))
    else:
        folder.mkdir(exist_ok=True)
        found = Mongo() if request.param == "mongo" else SQLite(folder / "test.db")
    with closing(found):
        yield found
