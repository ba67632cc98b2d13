"""The server in a simulation: its lives and deaths, its database, and the faults that know of HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import httpx
import pytest

from livecollections.collection import LiveClient
from livecollections.stores.base import Log
from livecollections.testing.simulation import Killed, Node, Simulation

from .world import TODOS, Todos, started

History = Callable[[Simulation, Node], Coroutine[Any, Any, None]]


def played(history: History, seed: int = 1, **options: Any) -> str:
    """Run a history with one server; its trace."""

    async def run(simulation: Simulation) -> None:
        await history(simulation, await started(simulation, **options))

    simulation = Simulation(seed)
    simulation.run(run)
    return simulation.trace.text()


async def post(server: Node, title: str, **headers: str) -> int:
    """The status of a POST."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        return (await http.post(TODOS, json={"title": title}, headers=headers)).status_code


def holds(wanted: list[str], todos: Todos) -> bool:
    """Whether a collection is live, and these are its titles."""
    return todos.live == "live" and [each["title"] for each in todos] == wanted


class Watcher:
    """A user who holds the collection, and writes none of it."""

    def __init__(self, simulation: Simulation, host: str = "phone") -> None:
        self.client = simulation.client(host, timeout=300, patience=3)
        self.todos = None
        self.titles: list[str] = []
        self.wanted: asyncio.Queue[list[str]] = asyncio.Queue()
        self.task = simulation.host(host).start(self.run(self.client))

    async def run(self, client: LiveClient) -> None:
        async with client, client.collection(TODOS) as todos:
            while True:
                wanted = await self.wanted.get()
                await todos.wait_until(partial(holds, wanted), 100)
                self.wanted.task_done()

    async def sees(self, *titles: str) -> None:
        """Return when it is live and holds just these."""
        self.wanted.put_nowait([*titles])
        joined = asyncio.ensure_future(self.wanted.join())
        await asyncio.wait({joined, self.task}, return_when=asyncio.FIRST_COMPLETED)
        if self.task.done():
            joined.cancel()
            self.task.result()


def test_a_crash_between_commit_and_answer_leaves_the_row_and_its_entry_in_the_log() -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        watcher = Watcher(simulation)
        await watcher.sees()
        server.crash_at_commit()
        with pytest.raises(httpx.RemoteProtocolError):
            await simulation.host("laptop").run(post(server, "milk", **{"Idempotency-Key": "one"}))
        assert not server.is_running
        assert server.sql("SELECT title FROM rest_todo") == [("milk",)]
        assert server.sql("SELECT method FROM live_changes") == [("POST",)]
        await server.restart()
        await watcher.sees("milk")
        assert await simulation.host("laptop").run(post(server, "milk", **{"Idempotency-Key": "one"})) == 201
        await asyncio.sleep(5)
        await watcher.sees("milk")

    assert "is killed" in played(history)


@pytest.mark.parametrize("power", [True, False])
def test_who_holds_a_collection_sees_all_after_a_crash(power: bool) -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        watcher = Watcher(simulation)
        await simulation.host("laptop").run(post(server, "milk"))
        await watcher.sees("milk")
        server.crash(power=power)
        server.sql("INSERT INTO rest_todo (title, completed) VALUES ('bread', 0)")
        await asyncio.sleep(10)
        await server.restart()
        await watcher.sees("milk", "bread")

    _, _, dead = played(history).partition("server     loses its power" if power else "server     is killed")
    told = dead.partition("its life 2")[0]
    assert ("gets the end" in told or "gets a reset" in told) is not power


def test_a_crash_at_any_step_loses_nothing_that_was_acknowledged() -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        laptop = simulation.host("laptop")
        watcher = Watcher(simulation)
        server.crash_after(simulation.seed * 17)
        titles = [f"todo {number}" for number in range(6)]
        acknowledged = []
        for title in titles:
            try:
                if await laptop.run(post(server, title)) == 201:
                    acknowledged.append(title)
            except httpx.HTTPError:
                if not server.is_running:
                    await server.restart()
        kept = [title for (title,) in server.sql("SELECT title FROM rest_todo ORDER BY id")]
        assert [title for title in kept if title in acknowledged] == acknowledged
        assert len(kept) == len(set(kept)) == server.sql("SELECT count(*) FROM live_changes")[0][0]
        await watcher.sees(*kept)

    for seed in range(8):
        assert "is killed" in played(history, seed)


def test_a_crash_while_it_starts_is_told_to_whoever_starts_it() -> None:
    async def history(simulation: Simulation) -> None:
        server = await started(simulation)
        server.crash()
        restarting = asyncio.create_task(server.restart())
        await asyncio.sleep(0)
        server.crash_after(3)
        with pytest.raises(Killed):
            await restarting
        await server.restart()
        await simulation.host("phone").run(post(server, "milk"))

    Simulation(1).run(history)


def test_a_stop_is_as_soft_as_in_production() -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        watcher = Watcher(simulation)
        await watcher.sees()
        began = asyncio.get_running_loop().time()
        await server.stop()
        assert asyncio.get_running_loop().time() - began < 2
        await server.restart()
        await watcher.sees()

    assert r"close \x03\xf4" in played(history)  # 1012, the service restarts


def test_an_older_database_takes_back_what_came_after_it() -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        watcher = Watcher(simulation)
        laptop = simulation.host("laptop")
        await laptop.run(post(server, "milk"))
        copied = server.copy()
        await laptop.run(post(server, "bread"))
        await watcher.sees("milk", "bread")
        server.crash()
        await server.restart(copied)
        await watcher.sees("milk")
        await laptop.run(post(server, "salt"))
        await watcher.sees("milk", "salt")

    played(history)


def test_a_lost_answer_was_to_a_request_that_was_obeyed() -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        simulation.network.lose_answer("laptop")
        with pytest.raises(httpx.ReadError):
            await simulation.host("laptop").run(post(server, "milk"))
        assert server.sql("SELECT title FROM rest_todo") == [("milk",)]
        assert await simulation.host("laptop").run(post(server, "bread")) == 201

    assert "laptop     #1 loses" in played(history)


def test_a_lost_push_comes_again_though_the_channel_falls_quiet() -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        watcher = Watcher(simulation)
        await watcher.sees()
        simulation.network.lose_push("phone", TODOS, severs=True)
        await simulation.host("laptop").run(post(server, "milk"))
        await watcher.sees("milk")

    assert "phone      #1 loses" in played(history)


def test_a_repeated_request_comes_twice() -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        laptop = simulation.host("laptop")
        simulation.network.duplicate("laptop")
        assert await laptop.run(post(server, "milk")) == 201
        await asyncio.sleep(5)
        assert server.sql("SELECT title FROM rest_todo") == [("milk",), ("milk",)]
        simulation.network.duplicate("laptop")
        assert await laptop.run(post(server, "bread", **{"Idempotency-Key": "one"})) == 201
        await asyncio.sleep(5)
        assert server.sql("SELECT count(*) FROM rest_todo") == [(3,)]

    assert played(history).count("is repeated: POST /api/todos") == 2


def test_of_a_retried_request_the_second_is_answered() -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        laptop = simulation.host("laptop")
        simulation.network.repeat("laptop", lambda request: request.path == TODOS, is_retried=True)
        assert await laptop.run(post(server, "milk", **{"Idempotency-Key": "one"})) == 201
        await asyncio.sleep(5)
        assert server.sql("SELECT title FROM rest_todo") == [("milk",)]

    trace = played(history)
    assert "is sent on a connection that is closed: POST /api/todos" in trace
    assert trace.count("POST /api/todos HTTP/1.1") == 2


@pytest.mark.parametrize("commits", [True, False])
def test_another_programs_transaction_makes_the_servers_writes_wait(commits: bool) -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        watcher = Watcher(simulation)
        await watcher.sees()
        async with server.transaction(commits=commits) as connection:
            connection.execute("INSERT INTO rest_todo (title, completed) VALUES ('bulk 1', 0), ('bulk 2', 1)")
            posting = simulation.host("laptop").start(post(server, "milk"))
            await asyncio.sleep(2)
            assert not posting.done()
        assert await posting == 201
        await watcher.sees(*(["bulk 1", "bulk 2"] if commits else []), "milk")

    played(history)


def test_a_write_that_waits_too_long_for_another_program_is_refused() -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        async with server.transaction():
            assert await simulation.host("laptop").run(post(server, "milk")) == 503
        assert server.sql("SELECT count(*) FROM rest_todo") == [(0,)]

    played(history)


def test_a_log_that_is_trimmed_while_somebody_sleeps_resets_them() -> None:
    async def history(simulation: Simulation, server: Node) -> None:
        watcher = Watcher(simulation)
        await watcher.sees()
        simulation.host("phone").sleep()
        for number in range(8):
            await simulation.host("laptop").run(post(server, f"{number}"))
        await asyncio.sleep(90)
        assert server.sql("SELECT count(*) FROM live_changes")[0][0] <= 3
        simulation.host("phone").wake()
        await watcher.sees(*(f"{number}" for number in range(8)))

    played(history, log=Log(changes=3))
