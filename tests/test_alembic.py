"""Alembic beside capture: autogenerate leaves our tables alone, and migrations work while a store is live."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from livecollections.alembic import capture_off, include_name, include_object
from livecollections.cause import Cause
from livecollections.change import Change
from livecollections.stores.base import Write
from livecollections.stores.sqlite import SQLiteStore, uninstall


class Base(DeclarativeBase):
    pass


class Page(Base):
    __tablename__ = "page"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column()
    views: Mapped[int | None] = mapped_column()


class Live:
    """A live store, its engine for migrations, and what it logged."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.store = SQLiteStore(f"sqlite:///{path}")
        self.source = self.store.describe(Page)
        self.engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.pool.NullPool)
        self.seq = ""

    async def create(self, **values: Any) -> None:
        written = await self.store.write(Write(self.source, None, lambda row: values))
        self.seq = written.seq or ""

    async def changes(self) -> list[Change]:
        return (await self.store.read(self.seq, 1000)).changes

    def migrate(self, step: Callable[[Operations], None], *, helped: bool = True) -> None:
        """Run a step as ``alembic upgrade`` does."""
        with self.engine.connect() as connection:
            if not helped:
                self.run(connection, step)
                return
            with capture_off(connection):
                self.run(connection, step)

    def run(self, connection: sa.Connection, step: Callable[[Operations], None]) -> None:
        context = MigrationContext.configure(connection)
        with context.begin_transaction(_per_migration=True):
            step(Operations(context))

    def triggers(self) -> int:
        connection = sqlite3.connect(self.path)
        (count,) = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'").fetchone()
        connection.close()
        return int(count)


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Live]:
    found = Live(tmp_path / "pages.db")
    await found.store.start([found.source])
    await found.create(title="a", views=1)
    yield found
    await found.store.stop()
    found.engine.dispose()


def retype(op: Operations) -> None:
    with op.batch_alter_table("page") as batch:
        batch.alter_column("views", type_=sa.String())


def add(op: Operations) -> None:
    op.add_column("page", sa.Column("subtitle", sa.String()))


def add_and_drop(op: Operations) -> None:
    op.add_column("page", sa.Column("subtitle", sa.String()))
    op.drop_column("page", "subtitle")


def rename(op: Operations) -> None:
    op.alter_column("page", "views", new_column_name="seen")
    op.alter_column("page", "seen", new_column_name="views")


STEPS = (retype, add, add_and_drop, rename)


@pytest.mark.parametrize("step", STEPS)
async def test_a_migration_while_live_is_a_reset_and_capture_goes_on_11(
    live: Live, step: Callable[[Operations], None]
) -> None:
    await asyncio.to_thread(live.migrate, step)
    methods = [change.method for change in await live.changes()]
    assert methods == ["RESET"]
    assert await live.store.why_reset(live.seq, "page") is Cause.CAPTURE_REINSTALLED
    assert live.triggers() == 5
    await live.create(title="b")
    with live.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE page SET title = 'c'")
    assert [change.method for change in await live.changes()] == ["PUT", "PUT"]


@pytest.mark.parametrize("helped", [True, False])
async def test_a_column_is_dropped_12(live: Live, helped: bool) -> None:
    def drop(op: Operations) -> None:
        op.drop_column("page", "views")

    await asyncio.to_thread(live.migrate, drop, helped=helped)
    # Without help a running store notices by itself.
    while not await live.changes():
        await asyncio.wait_for(live.store.wait_changed(await live.store.head()), 5)
    assert [change.method for change in await live.changes()] == ["RESET"]
    head = await live.store.head()
    with live.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE page SET title = 'c'")
    (change,) = (await live.store.read(head, 10)).changes
    assert change.after == {"id": 1, "title": "c", "views": None}


async def test_batch_mode_without_help_is_noticed_within_a_second_11(live: Live) -> None:
    await asyncio.to_thread(live.migrate, retype, helped=False)
    assert live.triggers() == 0
    deadline = time.monotonic() + 1
    while not await live.changes():
        assert time.monotonic() < deadline
        try:
            await asyncio.wait_for(live.store.wait_changed(live.seq), 0.1)
        except TimeoutError:
            continue
    assert [change.method for change in await live.changes()] == ["RESET"]
    assert live.triggers() == 5


async def test_a_running_store_leaves_capture_off_meanwhile(live: Live) -> None:
    with live.engine.connect() as connection, capture_off(connection):
        for _ in range(3):
            try:
                await asyncio.wait_for(live.store.wait_changed(live.seq), 0.05)
            except TimeoutError:
                continue
        assert live.triggers() == 0
        again = SQLiteStore(f"sqlite:///{live.path}")
        await again.start([again.describe(Page)])
        assert live.triggers() == 0
        await again.stop()
    assert live.triggers() == 5


async def test_a_failed_migration_takes_capture_on_again(live: Live) -> None:
    def fail(op: Operations) -> None:
        op.drop_column("page", "nothing")

    with pytest.raises(sa.exc.OperationalError):
        await asyncio.to_thread(live.migrate, fail)
    assert live.triggers() == 5
    assert [change.method for change in await live.changes()] == ["RESET"]


async def test_a_dropped_table_stays_dropped(live: Live) -> None:
    await asyncio.to_thread(live.migrate, lambda op: op.drop_table("page"))
    assert [change.method for change in await live.changes()] == ["RESET"]
    assert live.triggers() == 0


async def test_autogenerate_leaves_our_tables_alone_12(live: Live) -> None:
    with live.engine.connect() as connection:

        def proposed(**options: Any) -> list[str]:
            context = MigrationContext.configure(connection, opts=options)
            return [str(step[0]) for step in compare_metadata(context, Base.metadata)]

        assert "remove_table" in proposed()
        assert proposed(include_name=include_name) == []
        assert proposed(include_object=include_object) == []


def test_without_capture_a_migration_is_just_that(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'plain.db'}", poolclass=sa.pool.NullPool)
    with engine.connect() as connection, capture_off(connection):
        connection.exec_driver_sql("CREATE TABLE page (id INTEGER PRIMARY KEY)")
        connection.commit()
    assert uninstall(f"sqlite:///{tmp_path / 'plain.db'}") == []
    engine.dispose()
