"""Installs: what captures is put into a database, checked, put right, and taken away without a trace."""

from __future__ import annotations

import pytest

from ...cause import Cause
from ...errors import CaptureMissing
from .models import Todo
from .rig import StoreRig, changes, conforming, create, rows

EXCLUDED = ["store everything.secret"]


@conforming
class Installs:
    """A database belongs to others: what is added to it is known, and goes again."""

    async def test_what_is_checked_is_what_was_installed(self, rig: StoreRig) -> None:
        """By command, as a database administrator does it, for a store that only looks."""
        administration = rig.administration()
        await create(rig, Todo, {"title": "a"})
        await rig.store.stop()
        assert await administration.uninstall() != []
        assert await administration.uninstall() == []
        with pytest.raises(CaptureMissing):
            await rig.start(rig.open(capture="check"))
        rig.execute("UPDATE store_todo SET title = 'b'")
        tables = [source.name for source in rig.sources.values()]
        assert (await administration.plan(tables, EXCLUDED)).additions != ()
        assert await administration.install(tables, EXCLUDED)
        assert not await administration.install(tables, EXCLUDED)
        assert (await administration.plan(tables, EXCLUDED)).additions == ()
        rig.store = rig.open(capture="check")
        await rig.start(rig.store)
        head = await rig.store.head()
        rig.execute("UPDATE store_todo SET title = 'c'")
        (told,) = await changes(rig, head)
        assert (told.before and told.before["title"], told.after and told.after["title"]) == ("b", "c")

    async def test_installing_again_changes_nothing(self, rig: StoreRig) -> None:
        await create(rig, Todo, {"title": "a"})
        head = await rig.store.head()
        await rig.store.stop()
        for _ in range(2):
            rig.store = rig.open()
            await rig.start(rig.store)
            assert await changes(rig, head) == []
            assert await rig.store.why_reset(head, "store_todo") is None
            await rig.store.stop()

    @pytest.mark.parametrize("harm", ["lost", "old"])
    async def test_what_is_missing_or_of_an_older_version_is_put_right_with_a_reset(
        self, rig: StoreRig, harm: str
    ) -> None:
        """Of the one table: those who hold others go on from where they were."""
        await create(rig, Todo, {"title": "a"})
        head = await rig.store.head()
        await rig.store.stop()
        rig.execute(*rig.harm[harm])
        rig.execute("UPDATE store_todo SET title = 'b'")
        with pytest.raises(CaptureMissing, match="store_todo"):
            await rig.start(rig.open(capture="check"))
        rig.store = rig.open()
        await rig.start(rig.store)
        assert await rig.store.why_reset(head, "store_todo") is Cause.CAPTURE_REINSTALLED
        assert await rig.store.why_reset(head, "store_tag") is None
        (*_, reset) = await changes(rig, head)
        assert (reset.method, reset.cause) == ("RESET", Cause.CAPTURE_REINSTALLED)
        assert [row["title"] for row in await rows(rig)] == ["b"]
        rig.execute("UPDATE store_todo SET title = 'c'")
        (told,) = await changes(rig, reset.seq)
        assert told.after is not None
        assert told.after["title"] == "c"
        await rig.store.stop()
        rig.store = rig.open(capture="check")
        await rig.start(rig.store)
