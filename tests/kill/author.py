"""One who writes over REST, one request after the other, and remembers what became of each.

A request that was not answered is either repeated, with its Idempotency-Key, until it is, or left as it is.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import httpx

from .site import PATH

PAUSE = 0.02
"""Seconds before the next request while the server is away."""


@dataclass
class Request:
    """One write. origin: by which it is found in the log.  status: of the answer; None: there was none.

    seq, body: what the answer told.  was_sent: whether a server may have got one that was not answered.
    """

    method: str
    origin: str
    key: int | None
    text: str
    status: int | None = None
    seq: str | None = None
    body: dict[str, Any] | None = None
    was_sent: bool = False

    @property
    def is_done(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass
class Author:
    """name: of all that it writes.  rest: seconds between two requests.  requests: what it asked for, in order."""

    name: str
    url: str
    chance: random.Random
    rest: float = 0.0
    requests: list[Request] = field(default_factory=list)
    is_stopping: bool = False
    _own: list[int] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """How many of its writes were answered with 2xx."""
        return sum(request.is_done for request in self.requests)

    async def run(self) -> None:
        """Write until told to stop."""
        async with httpx.AsyncClient(base_url=self.url, timeout=20, trust_env=False) as http:
            while not self.is_stopping:
                request = self._next()
                self.requests.append(request)
                is_repeated = request.method == "POST" and self.chance.random() < 0.5
                while not await self._ask(http, request, is_repeated):
                    await asyncio.sleep(PAUSE)
                    if not is_repeated:
                        break
                self._learn(request)
                await asyncio.sleep(self.rest + self.chance.random() * 0.01)

    def _next(self) -> Request:
        number = len(self.requests)
        origin = f"{self.name}.{number}"
        method = self.chance.choice(("POST", "POST", "PATCH", "PUT", "DELETE")) if self._own else "POST"
        key = None if method == "POST" else self.chance.choice(self._own)
        return Request(method, origin, key, f"{origin} {'y' * self.chance.choice((1, 50, 2_000))}")

    async def _ask(self, http: httpx.AsyncClient, request: Request, is_repeated: bool) -> bool:
        headers = {"Live-Origin": request.origin}
        if is_repeated:
            headers["Idempotency-Key"] = f'"{request.origin}"'
        path = PATH if request.key is None else f"{PATH}/{request.key}"
        document = None if request.method == "DELETE" else {"text": request.text}
        try:
            answer = await http.request(request.method, path, json=document, headers=headers)
        except httpx.ConnectError:
            return False
        except httpx.HTTPError:
            request.was_sent = True
            return False
        request.status, request.seq = answer.status_code, answer.headers.get("Live-Seq")
        request.body = answer.json() if answer.status_code in (200, 201) else None
        return True

    def _learn(self, request: Request) -> None:
        if request.method == "POST" and request.is_done:
            assert request.body is not None
            self._own.append(request.body["id"])
        elif request.method == "DELETE" and request.key is not None:
            self._own.remove(request.key)  # whatever became of it, it is written no more
