"""Opens a database that another version wrote, and asks what a client of that version asks who comes back.

``resumed`` is given what clients had been told by then; it fails unless each document is there as it was told last, and
a client that comes back hears all after its place, or is reset once. The answer is what it heard.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx

from livecollections import Log
from tests.serving import served, wait_until

from .shop import PATH, STRANGER, Shop

DUMPS = Path(__file__).parent / "dumps"
FOR_EVER = Log(days=36_500)
"""What was kept may be older than a log is by default."""
Told = Sequence[dict[str, Any]]


def kept(kind: str) -> list[str]:
    """The versions of which there is a database of that kind."""
    return sorted(path.parent.name for path in DUMPS.glob(f"*/{kind}.told.json"))


def read(version: str, kind: str, suffix: str = "sql") -> tuple[str, list[dict[str, Any]]]:
    """A database as text, and what clients had been told."""
    folder = DUMPS / version
    told: list[dict[str, Any]] = json.loads((folder / f"{kind}.told.json").read_text("utf-8"))
    return (folder / f"{kind}.{suffix}").read_text("utf-8"), told


async def _events(answer: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
    event: dict[str, Any] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(":")
        if line:
            event[name] = value.strip()
            continue
        if "data" in event:
            yield {**event, "data": json.loads(event["data"])}
        event = {}


async def resumed(shop: Shop, told: Told, key: str = "id") -> list[dict[str, Any]]:
    """What a client hears that comes back at the first change it was told of, up to a write of this version."""
    shop.listen()
    last = {each["body"][key]: each["body"] for each in told}
    gone = {each["body"][key] for each in told if each["method"] == "DELETE"}
    heard: list[dict[str, Any]] = []
    async with served(shop.live.app) as address, httpx.AsyncClient(base_url=address, timeout=10) as client:
        shown = {each[key]: each for each in (await client.get(PATH)).json()}
        stranger = shown.pop(STRANGER["id"])
        assert STRANGER.items() <= {"id": stranger[key], **stranger}.items()
        assert shown == {place: body for place, body in last.items() if place not in gone}
        stream = client.stream(
            "GET", f"{PATH}?since={told[0]['seq']}", headers={"Accept": "text/event-stream"}
        )
        async with stream as answer, aclosing(_events(answer)) as events, asyncio.timeout(10):
            body = {key: 9, "name": "new"} if key == "_id" else {"name": "new"}
            # A reset that came later would stand for what is written now, too.
            heard.append(await anext(events))
            new = (await client.post(PATH, json=body)).headers["Live-Seq"]
            while heard[-1]["data"]["seq"] != new:
                heard.append(await anext(events))
        await wait_until(lambda: any(change.seq >= new for change in shop.heard), within=10)
    return heard


def is_whole(heard: Told, told: Told) -> bool:
    """Whether a client heard all after the first change, and no reset."""
    messages = [{name: each["data"][name] for name in ("method", "body", "seq")} for each in heard]
    stranger = messages[len(told) - 1]
    return (
        not any("event" in each for each in heard)
        and messages[: len(told) - 1] == list(told[1:])
        and (stranger["method"], stranger["body"]["name"]) == ("POST", STRANGER["name"])
        and len(messages) == len(told) + 1
    )


def is_reset_once(heard: Told) -> bool:
    """Whether a client was told once to read again, and then nothing but the new write."""
    return [each.get("event") for each in heard] == ["reset", None]
