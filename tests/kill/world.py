"""One database, its server and its writers, killed in turn while others listen.

A seed draws who is killed, when, and what is written; what the machine does between is its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from ..ports import free_port
from ..serving import wait_until
from .author import Author
from .nursery import Nursery
from .oracle import judge, read_evidence
from .receivers import Ours, Plain, Polling, Receiver, Socket
from .shell import JournalReader
from .site import LATE, PATH

AUTHORS = 2
WITHIN = 60.0
"""Seconds for what should take one or two, on a busy machine."""
NEVER = -1
EXPECTED = "is another process's: of a worker beside this one, or of one before a restart"
"""What a server may say: it met a client of the one before."""

SOUND = (Polling, Socket)
Task = asyncio.Task[None]


@dataclass
class Report:
    """What was done, and what was wrong with it."""

    server_kills: int = 0
    shell_kills: int = 0
    open_kills: int = 0
    entries: int = 0
    acknowledged: int = 0
    committed: int = 0
    unanswered: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return self.server_kills + self.shell_kills


class World:
    """servers, shells: how many of each are killed.

    fault: one planted in the server, by name.  plain: those who hear beside our clients.
    rest: seconds between two requests of one author.  patience: seconds in which all must have heard the last change.
    """

    def __init__(
        self,
        nursery: Nursery,
        path: Path,
        seed: int,
        servers: int,
        shells: int,
        fault: str = "",
        plain: Sequence[type[Plain]] = SOUND,
        rest: float = 0.0,
        patience: float = WITHIN,
    ) -> None:
        self._nursery = nursery
        self._database, self._output = path / "notes.db", path / "server.log"
        self._journal_path = path / "journal"
        self._journal = JournalReader(self._journal_path)
        self._chance = random.Random(seed)
        self._port = free_port()
        self._url = f"http://127.0.0.1:{self._port}"
        self._fault = fault
        self._plain = plain
        self._patience = patience
        self._has_fault = bool(fault) or plain is not SOUND
        self._authors = [
            Author(f"rest-{number}", self._url, random.Random(seed * 31 + number), rest)
            for number in range(1 if self._has_fault else AUTHORS)
        ]
        self._turns = ["server"] * servers + ["shell"] * shells
        self._chance.shuffle(self._turns)
        self._server = self._shell = 0
        self._shells = 0
        self._open_after = NEVER
        self.report = Report()

    async def run(self) -> Report:
        """Live through all kills; then what was wrong is in the report."""
        self._begin_server()
        since = await self._head()
        receivers: list[Receiver] = [
            *(Ours("a", self._url, since, transport) for transport in ("websocket", "long-polling")),
            *(kind("b", self._url, since) for kind in self._plain),
        ]
        if "shell" in self._turns:
            self._begin_shell()
        hearing = [asyncio.create_task(receiver.run()) for receiver in receivers]
        writing = [asyncio.create_task(author.run()) for author in self._authors]
        try:
            for turn in self._turns:
                await (self._kill_server() if turn == "server" else self._kill_shell())
            await self._settle(writing, hearing, receivers)
        finally:
            for task in (*hearing, *writing):
                task.cancel()
            outcomes = await asyncio.gather(*hearing, *writing, return_exceptions=True)
            self._nursery.kill(self._server)
        faults = [repr(one) for one in outcomes if isinstance(one, Exception)]
        await self._judge(receivers, faults)
        return self.report

    # Lives and deaths.

    def _begin_server(self) -> None:
        arguments = (str(self._database), self._port, self._fault)
        self._server = self._nursery.begin("server", self._output, *arguments)

    def _begin_shell(self) -> None:
        self._open_after = self._chance.choice((NEVER, self._chance.randrange(1, 6)))
        arguments = (
            str(self._database),
            str(self._journal_path),
            self._shells,
            self._chance.randrange(2**32),
            self._open_after,
        )
        self._shell = self._nursery.begin("shell", self._output, *arguments)

    async def _kill_server(self) -> None:
        if self._chance.random() < 0.2 and not self._has_fault:
            await asyncio.sleep(self._chance.random() * 0.3)
        else:
            wanted = self._acknowledged() + self._chance.randrange(1, 4 if self._has_fault else 8)
            await self._wait(lambda: self._acknowledged() >= wanted or self._is_open())
            within = self._chance.random()
            await asyncio.sleep(LATE * (0.3 + within / 2) if self._has_fault else within * 0.02)
        self._end(self._server)
        self.report.server_kills += 1
        await asyncio.sleep(self._chance.choice((0.0, 0.0, 0.1)))
        self._begin_server()

    async def _kill_shell(self) -> None:
        if self._open_after != NEVER:
            await self._wait(self._is_open)
            self.report.open_kills += 1
        else:
            await asyncio.sleep(self._chance.random() * 0.25)
        self._end(self._shell)
        self.report.shell_kills += 1
        self._shells += 1
        self._begin_shell()

    def _end(self, process: int) -> None:
        number = self._nursery.kill(process)
        if number != 9:
            self.report.violations.append(f"a process ended by itself ({number}): {self._output.read_text()}")

    def _acknowledged(self) -> int:
        return sum(author.acknowledged for author in self._authors)

    def _is_open(self) -> bool:
        """Whether the writer of now has left its transaction open."""
        last = self._journal.read()[-1:]
        return any(line["life"] == self._shells and line.get("fate") == "open" for line in last)

    # Before and after.

    async def _head(self) -> str:
        async with httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=20) as http:
            while True:
                try:
                    return str((await http.get(PATH)).headers["Live-Seq"])
                except httpx.TransportError:
                    await asyncio.sleep(0.02)

    async def _settle(
        self, writing: Sequence[Task], hearing: Sequence[Task], receivers: Sequence[Receiver]
    ) -> None:
        """Let the writers end, and each receiver hear the last change."""
        if self._shell:
            self._end(self._shell)
        for author in self._authors:
            author.is_stopping = True
        await asyncio.wait_for(asyncio.gather(*writing), WITHIN)
        await self._head()  # the last server may not be up as yet
        async with httpx.AsyncClient(base_url=self._url, trust_env=False, timeout=20) as http:
            answer = await http.post(PATH, json={"text": "the last"})
        last = answer.headers["Live-Seq"]

        def is_over() -> bool:
            return all(one.last >= last or one.resets for one in receivers) or any(
                task.done() for task in hearing
            )

        # What was not heard by then is found by the judge.
        with suppress(AssertionError):
            await wait_until(is_over, self._patience)

    async def _wait(self, condition: Callable[[], bool]) -> None:
        await wait_until(condition, WITHIN)

    async def _judge(self, receivers: Sequence[Receiver], faults: Sequence[str]) -> None:
        journal = self._journal.read()
        self._journal.close()
        requests = [request for author in self._authors for request in author.requests]
        evidence = await read_evidence(self._database)
        report = self.report
        report.entries = len(evidence.entries)
        report.acknowledged = self._acknowledged()
        report.unanswered = sum(request.status is None for request in requests)
        report.committed = sum("committed" in line for line in journal)
        report.violations += faults
        report.violations += judge(evidence, requests, journal, receivers)
        complaints = [line for line in self._output.read_text().splitlines() if EXPECTED not in line]
        if complaints:
            report.violations.append(f"the server complained: {complaints}")
