"""SQLite passes what every store promises, and tells besides what only its own log can hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from livecollections.cause import Cause
from livecollections.stores.sql_log import place_of
from livecollections.testing import StoreConformance
from livecollections.testing.stores.models import Todo
from livecollections.testing.stores.rig import changes, create

from .sqlite_rig import SQLiteRig


class TestSQLite(StoreConformance):
    """The suite, as other people's stores run it."""

    @pytest.fixture
    def rig(self, tmp_path: Path) -> SQLiteRig:
        return SQLiteRig(tmp_path / "live.db")


async def test_an_entry_that_was_taken_out_is_no_place(tmp_path: Path) -> None:
    async with SQLiteRig(tmp_path / "live.db") as rig:
        first = (await create(rig, Todo, {"title": "a"})).seq or ""
        await create(rig, Todo, {"title": "b"})
        rig.execute(f"DELETE FROM live_changes WHERE seq = {place_of(first)}")
        assert await rig.store.why_reset(first, "store_todo") is Cause.NO_ENTRY


async def test_a_reset_of_another_version_has_an_unknown_cause(tmp_path: Path) -> None:
    async with SQLiteRig(tmp_path / "live.db") as rig:
        start = await rig.store.head()
        for told in ("''", "NULL", "'something later'"):
            rig.execute(
                f"INSERT INTO live_changes (check_digits, source, method, key, at) "
                f"VALUES ('0000', 'store_todo', 'RESET', {told}, 0)"
            )
        assert [entry.cause for entry in await changes(rig, start)] == [Cause.UNKNOWN] * 3
        assert await rig.store.why_reset(start, "store_todo") is Cause.UNKNOWN
