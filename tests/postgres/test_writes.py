"""Writes beside other programs' locks, constraints, triggers and schemas."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from livecollections import ConstraintViolated, StoreUnavailable
from livecollections.change import Row
from livecollections.errors import BulkRefused, Conflict
from livecollections.query import Equal, Not, Query, Text
from livecollections.stores import base, postgres_queue, postgres_rows
from livecollections.stores.base import Bulk, Idempotency, Sweep, Write
from livecollections.testing import wait_until

from .server import PostgresServer
from .things import Order, Shelf, Volume
from .writing import stranger, writing

FUNCTION = "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"


async def test_nobody_waits_behind_somebody_elses_lock(postgres: PostgresServer) -> None:
    async with writing(postgres.schema(), Shelf) as at, stranger(at.url) as other:
        await at.create(Shelf, {"name": "a"})
        await other.execute("UPDATE shelf SET seen = 7 WHERE id = 1")
        kept = asyncio.create_task(at.change(Shelf, 1, {"name": "b"}))
        await asyncio.gather(*(at.create(Shelf, {"name": f"{number}"}) for number in range(50)))
        assert not kept.done()
        await other.execute("COMMIT")
        assert (await kept).row == {"id": 1, "name": "b", "seen": 7}
        assert len(await at.rows(Shelf)) == 51


async def test_a_lock_that_stays_is_unavailable_in_the_end(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_queue, "LOCKED", 0.3)
    async with writing(postgres.schema(), Shelf) as at, stranger(at.url) as other:
        await at.create(Shelf, {"name": "a"})
        await other.execute("SELECT FROM shelf FOR UPDATE")
        head = await at.store.head()
        with pytest.raises(StoreUnavailable, match="lock"):
            await at.change(Shelf, 1, None)
        assert await at.store.head() == head


async def test_what_is_to_be_deleted_is_looked_for_no_longer_than_a_list(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with writing(postgres.schema(), Shelf) as at, stranger(at.url) as other:
        await other.execute(
            "INSERT INTO shelf (name, seen) SELECT 'shelf ' || n, 0 FROM generate_series(1, 50000) n"
        )
        await other.execute("COMMIT")
        sweep = Sweep(at.sources[Shelf], Query((Text("name", "nothing"),)), lambda row: None)
        monkeypatch.setattr(postgres_rows, "LONGEST", 0.001)
        with pytest.raises(StoreUnavailable, match=r"takes more than 0\.001 s"):
            await at.store.write_all(sweep)
        assert (await at.create(Shelf, {"name": "one more"})).row["name"] == "one more"
        monkeypatch.undo()
        assert await at.store.write_all(sweep) == []


async def test_a_stop_waits_half_a_second_for_a_lock_at_most(postgres: PostgresServer) -> None:
    async with writing(postgres.schema(), Shelf) as at, stranger(at.url) as other:
        await at.create(Shelf, {"name": "a"})
        await other.execute("SELECT FROM shelf FOR UPDATE")
        waiting = asyncio.create_task(at.change(Shelf, 1, None))
        await wait_until(lambda: len(at.store._queue._tasks) == 1 and not at.store._queue._waiting, 5)
        started = time.monotonic()
        await at.store.stop()
        assert time.monotonic() - started < 3
        with pytest.raises(StoreUnavailable):
            await waiting


async def test_deadlocks_between_processes_are_got_over(postgres: PostgresServer) -> None:
    url = postgres.schema()
    async with writing(url, Shelf) as one, writing(url, Shelf) as other:
        for _ in range(4):
            await one.create(Shelf, {"seen": _})

        def bulk(at: Any, order: list[int]) -> Bulk:
            source = at.sources[Shelf]

            def increase(row: Row | None) -> dict[str, Any]:
                assert row
                return {"seen": row["seen"] + 10}

            return Bulk([Write(source, (key,), increase) for key in order])

        for _ in range(5):
            await asyncio.gather(
                one.store.write_all(bulk(one, [1, 2, 3, 4])), other.store.write_all(bulk(other, [4, 3, 2, 1]))
            )
        assert [row["seen"] for row in await one.rows(Shelf)] == [100, 101, 102, 103]


async def test_what_waits_for_the_commit_is_asked_before_a_write_is_answered(
    postgres: PostgresServer,
) -> None:
    async with writing(postgres.schema(), Shelf, Volume) as at:
        head = await at.store.head()
        with pytest.raises(ConstraintViolated) as refused:
            await at.create(Volume, {"shelf": 1})
        assert refused.value.kind == "foreign key"
        assert await at.store.head() == head
        await at.store.write_all(
            Bulk(
                [
                    at.creation(Volume, {"shelf": 10}, origin="o.0"),
                    at.creation(Shelf, {"id": 10}, origin="o.1"),
                ]
            )
        )
        told = await at.changes(head)
        assert [(each.source, each.method, each.origin) for each in told] == [
            ("volume", "POST", "o.0"),
            ("shelf", "POST", "o.1"),
        ]
        with pytest.raises(ConstraintViolated):
            await at.store.write_all(
                Bulk([at.creation(Shelf, {"id": 11, "name": "b"}), at.creation(Volume, {"shelf": 12})])
            )
        assert [row["id"] for row in await at.rows(Shelf)] == [10]


async def test_an_answer_holds_what_a_deferred_trigger_has_done(postgres: PostgresServer) -> None:
    """Finding 8: RETURNING shows the row before."""
    async with writing(postgres.schema(), Shelf) as at:
        await at.run(
            FUNCTION.format(name="late", body="UPDATE shelf SET seen = 100 WHERE id = NEW.id; RETURN NULL;"),
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON shelf DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION late()",
        )
        head = await at.store.head()
        written = await at.create(Shelf, {"name": "a"}, origin="mine")
        assert written.row["seen"] == 100
        told = await at.changes(head)
        assert [each.origin for each in told if each.origin] == ["mine"]
        assert told[-1].after == written.row
        assert told[-1].seq == written.seq


async def test_what_a_users_trigger_refuses_or_prevents_is_told(postgres: PostgresServer) -> None:
    async with writing(postgres.schema(), Shelf) as at:
        await at.create(Shelf, {"name": "kept"})
        await at.run(
            FUNCTION.format(
                name="judge",
                body="IF TG_OP = 'DELETE' THEN RETURN NULL; END IF; "
                "IF NEW.name = 'never' THEN RAISE EXCEPTION 'no'; END IF; "
                "IF NEW.name = 'nowhere' THEN RETURN NULL; END IF; RETURN NEW;",
            ),
            "CREATE TRIGGER judge BEFORE INSERT OR UPDATE OR DELETE ON shelf FOR EACH ROW EXECUTE FUNCTION judge()",
        )
        with pytest.raises(ConstraintViolated) as refused:
            await at.create(Shelf, {"name": "never"})
        assert refused.value.kind == "check"
        for write in (
            at.create(Shelf, {"name": "nowhere"}),
            at.change(Shelf, 1, {"name": "nowhere"}),
            at.change(Shelf, 1, None),
        ):
            with pytest.raises(Conflict):
                await write
        assert [row["name"] for row in await at.rows(Shelf)] == ["kept"]


async def test_a_constraint_of_several_columns_names_them(postgres: PostgresServer) -> None:
    async with writing(postgres.schema(), Shelf) as at:
        await at.create(Shelf, {"name": "a"})
        with pytest.raises(ConstraintViolated) as refused:
            await at.create(Shelf, {"name": "a"})
        assert list(refused.value.fields) == ["name", "seen"]
        with pytest.raises(BulkRefused) as bulk:
            await at.store.write_all(
                Bulk([at.creation(Shelf, {"name": "b"}), at.creation(Shelf, {"name": "a"})])
            )
        assert bulk.value.place == 1
        assert bulk.value.error == ConstraintViolated("unique", ["name", "seen"])


async def test_a_refusal_names_nothing_while_the_table_is_to_be_looked_at_again(
    postgres: PostgresServer,
) -> None:
    async with writing(postgres.schema(), Shelf) as at:
        await at.create(Shelf, {"name": "a"})

        def forgetting(row: Row | None) -> dict[str, Any]:
            at.store._shapes = {}  # as another's reading does, when it finds the table changed
            return {"name": "a"}

        again = Write(at.sources[Shelf], None, forgetting)
        with pytest.raises(ConstraintViolated) as refused:
            await at.store.write(again)
        assert refused.value == ConstraintViolated("unique")
        with pytest.raises(BulkRefused) as bulk:
            await at.store.write_all(Bulk([again]))
        assert bulk.value.error == ConstraintViolated("unique")


async def test_a_request_that_two_processes_get_is_done_once(postgres: PostgresServer) -> None:
    url = postgres.schema()
    async with writing(url, Shelf) as one, writing(url, Shelf) as other:
        for number in range(5):
            asked = Idempotency(f"key {number}", "digest")
            both = await asyncio.gather(
                one.create(Shelf, {"seen": number}, idempotency=asked),
                other.create(Shelf, {"seen": number}, idempotency=asked),
            )
            assert sorted(each.repeated for each in both) == [False, True]
            assert both[0].row == both[1].row
            assert both[0].seq == both[1].seq
        assert len(await one.rows(Shelf)) == 5


async def test_a_table_in_a_schema_is_known_by_both_names(postgres: PostgresServer) -> None:
    url = postgres.schema()
    postgres_url = url
    async with writing(postgres_url, Shelf) as at:
        await at.run('CREATE SCHEMA "the shop"')
    async with writing(url, Order) as at:
        head = await at.store.head()
        assert at.sources[Order].name == "the shop.order"
        await at.create(Order, {"note": "a"}, origin="mine")
        await at.run('UPDATE "the shop"."order" SET note = \'b\'')
        told = await at.changes(head)
        assert [(each.source, each.method, each.origin) for each in told] == [
            ("the shop.order", "POST", "mine"),
            ("the shop.order", "PUT", None),
        ]
        assert (await at.rows(Order))[0]["note"] == "b"


async def test_of_many_values_some_may_come_again(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "DISTINCT", 2)
    async with writing(postgres.schema(), Shelf) as at:
        for number, name in enumerate("abcabcc"):
            await at.create(Shelf, {"name": name, "seen": number})
        found = await at.store.distinct(at.sources[Shelf], "name", Query((Not(Equal("name", "z", ("a",))),)))
        assert [row["name"] for row in await found.piece()] == [*"abccc"]
        found.close()
