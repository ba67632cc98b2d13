"""Which store serves a database, and what is said where none can."""

from __future__ import annotations

import subprocess
import sys

import pytest

from livecollections import ConfigurationError
from livecollections.stores.choice import open_store
from livecollections.stores.sqlite import SQLiteStore


def test_the_scheme_decides_and_a_store_is_taken_as_it_is() -> None:
    store = open_store("sqlite://", synchronous="NORMAL", notify=False)
    assert isinstance(store, SQLiteStore)
    assert open_store(store) is store


def test_the_environment_names_a_database_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite://")
    assert isinstance(open_store(None), SQLiteStore)
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not set"):
        open_store(None)


def test_what_is_not_spoken_is_refused_with_what_is() -> None:
    with pytest.raises(ConfigurationError, match=r"'mysql' is not supported; this version speaks .*sqlite"):
        open_store("mysql+pymysql://db/shop")


def test_a_missing_driver_is_told_with_the_command_that_installs_it() -> None:
    """And nothing else of the library is in its way."""
    code = "import sys; sys.modules['asyncpg'] = None; from livecollections import Live; Live('postgres://db/shop')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stderr.splitlines()[-1].endswith(
        'database: for PostgreSQL, run pip install "livecollections[postgres]"'
    )


def test_no_driver_is_imported_before_it_is_needed() -> None:
    code = "import sys; from livecollections import Live; Live('sqlite://'); print('asyncpg' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "False"
