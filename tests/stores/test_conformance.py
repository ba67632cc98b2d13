"""The conformance suite notices mistakes: each of these stores has one, and the test that is named here fails."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from livecollections import LiveError
from livecollections.stores.base import Store
from livecollections.stores.sqlite import SQLiteStore
from livecollections.testing import StoreConformance

from .broken import CAUGHT
from .sqlite_rig import SQLiteRig

pytest_plugins = ("pytester",)


class BrokenRig(SQLiteRig):
    """A store of another class on SQLite."""

    def __init__(self, path: Path, kind: type[SQLiteStore]) -> None:
        super().__init__(path)
        self._kind = kind

    def open(self, **options: Any) -> Store:
        return self._kind(f"sqlite:///{self.path}", **options)


@pytest.mark.parametrize("kind", CAUGHT, ids=lambda kind: kind.__name__)
def test_each_mistake_is_noticed_by_the_test_that_is_for_it(kind: type[SQLiteStore], tmp_path: Path) -> None:
    name, arguments = CAUGHT[kind]
    run = getattr(StoreConformance(), name)
    run(SQLiteRig(tmp_path / "right.db"), **arguments)
    with pytest.raises((AssertionError, LookupError, LiveError, pytest.fail.Exception)):
        run(BrokenRig(tmp_path / "wrong.db", kind), **arguments)


def test_a_third_party_runs_it_as_its_own(pytester: pytest.Pytester) -> None:
    mine = """
        from contextlib import closing
        import sqlite3
        import pytest
        from livecollections.stores.sqlite import SQLiteStore
        from livecollections.testing import StoreConformance, StoreRig

        class MyStore(SQLiteStore):
            async def head(self):
                return (await super().head())[:-1]

        class MyRig(StoreRig):
            def __init__(self, path):
                self.path = path

            def open(self, **options):
                return MyStore(f"sqlite:///{self.path}", **options)

            def execute(self, *statements):
                with closing(sqlite3.connect(self.path)) as connection, connection:
                    for statement in statements:
                        connection.execute(statement)

        class TestMyStore(StoreConformance):
            @pytest.fixture
            def rig(self, tmp_path):
                return MyRig(tmp_path / "test.db")

        class TestNothing(StoreConformance):
            pass
    """
    pytester.makepyfile(test_mine=dedent(mine))
    plugins = ("asyncio", "anyio", "cacheprovider", "schemathesis")
    options = [word for name in plugins for word in ("-p", f"no:{name}")]
    result = pytester.runpytest_inprocess(*options, "-W", "error", "-k", "fixed_width or kinds")
    said = str(result.stdout)
    result.assert_outcomes(failed=1, errors=1, deselected=result.parseoutcomes()["deselected"])
    assert "test_a_seq_is_of_fixed_width_and_rises" in said
    assert "AssertionError: assert None" in said, "assertions tell what they saw"
    assert "rig: no database is given: define a fixture `rig` in your class" in said
