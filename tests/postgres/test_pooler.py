"""PostgreSQL behind PgBouncer, with no settings for us: in session mode it serves, in transaction mode it is told."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from livecollections import Live
from livecollections.demo import Todo
from livecollections.errors import StoreUnavailable
from livecollections.stores.administration import Finding
from livecollections.stores.administrations import administration_of
from livecollections.testing import wait_until
from tests.ports import free_port
from tests.serving import served

from .server import PostgresServer

CONFIGURATION = """
[databases]
* = host={folder} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listens}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
"""


@asynccontextmanager
async def pooled(postgres: PostgresServer, mode: str) -> AsyncIterator[str]:
    """A pooler before a database; gives its URL."""
    database, listens = postgres.database().partition("///")[2].partition("?")[0], free_port()
    file = postgres.folder / f"{mode}.ini"
    file.write_text(
        CONFIGURATION.format(folder=postgres.folder, port=postgres.port, listens=listens, mode=mode)
    )
    file.chmod(0o644)
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "there is no PgBouncer here: `make setup-test` installs it"
    user = ["-u", "postgres"] if os.geteuid() == 0 else []
    program = await asyncio.create_subprocess_exec(
        found, "-q", *user, str(file), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        url = f"postgresql://postgres@127.0.0.1:{listens}/{database}"
        await wait_until(lambda: answers(url), 10)
        yield url
    finally:
        program.terminate()
        await program.wait()


async def answers(url: str) -> bool:
    try:
        await administration_of(url).shape()
    except StoreUnavailable:
        return False
    return True


async def pooler_of(url: str) -> Finding:
    return next(one for one in await administration_of(url).examine() if one.subject == "pooler")


async def test_in_session_mode_it_serves_and_doctor_is_content(postgres: PostgresServer) -> None:
    async with pooled(postgres, "session") as url:
        live = Live(url)
        live.add_resource("/api/todos", Todo)
        async with served(live.app) as address, httpx.AsyncClient(base_url=address) as http:
            created = await http.post("/api/todos", json={"title": "milk"})
            assert created.status_code == 201
            async with live.session() as session:
                todo = await session.get_one(Todo, created.json()["id"])
                todo.title = "bread"
                await session.commit()
            assert [one["title"] for one in (await http.get("/api/todos")).json()] == ["bread"]
            assert not (await pooler_of(url)).advice
        assert [change.method async for change in administration_of(url).changes()] == ["POST", "PUT"]


async def test_in_transaction_mode_doctor_says_so(postgres: PostgresServer) -> None:
    async with pooled(postgres, "transaction") as url:
        found = await pooler_of(url)
    assert found.told == "in transaction mode"
    assert "session mode" in found.advice
