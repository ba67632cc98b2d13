"""Histories of one webhook: orders that are written, answers of its receiver that are drawn, restarts, dead letters.

What must have been heard follows from the log: each change that is to be posted is taken, in order and once more where
it was not, or it is a dead letter until it is redelivered; after a 410 nothing follows until then, and a reset stands
for what was missed. ``prev`` is the message before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from livecollections import Live, Webhook, webhooks
from livecollections.change import Change
from tests.serving import wait_until

from .receiver import PATH, SECRET, Answer, Order, Receiver, order, receiving

NAME = "api-orders"
EVENTS: tuple[tuple[str, ...], ...] = ((), ("create",), ("create", "update"))
METHODS = {"POST": "create", "PUT": "update", "DELETE": "delete"}
FATES = ("ok", "ok", "ok", "ok", "late", "late", "dead", "gone")
"""What becomes of a message: it is taken, at the third time, only by redelivery, or it ends the webhook."""


@contextmanager
def impatiently() -> Iterator[None]:
    """Wait little between two tries."""
    waits = webhooks.FIRST_WAIT, webhooks.LONGEST_WAIT
    webhooks.FIRST_WAIT, webhooks.LONGEST_WAIT = 0.005, 0.01
    try:
        yield
    finally:
        webhooks.FIRST_WAIT, webhooks.LONGEST_WAIT = waits


class Story:
    """One drawn history. heard: each message that came, with what was answered.  redelivered: the seqs of letters."""

    def __init__(self, seed: int, folder: Path, receiver: Receiver, url: str) -> None:
        self.random = Random(seed)
        self.folder, self.url = folder, url
        self.events = self.random.choice(EVENTS)
        self.receiver = receiver
        self.receiver.answer = self.answer
        self.heard: list[tuple[dict[str, Any], int]] = []
        self.tries: dict[str, int] = {}
        self.redelivered: set[str] = set()
        self.again: set[int] = set()
        self.restarts: set[int] = set()
        self.is_mild = False
        self.number = 0
        self.live: Live

    def answer(self, message: dict[str, Any]) -> Answer:
        data = message["data"]
        if data["seq"] in self.redelivered:
            self.again.add(len(self.heard))
        tries = self.tries[data["seq"]] = self.tries.get(data["seq"], 0) + 1
        fate = "ok" if self.is_mild or data["method"] == "RESET" else data["body"]["text"].partition("-")[0]
        status = {"ok": 204, "late": 204 if tries > 2 else 500, "dead": 500, "gone": 410}[fate]
        self.heard.append((data, status))
        return Answer(status)

    async def play(self, steps: int) -> None:
        async with AsyncExitStack() as stack:
            self.live = await stack.enter_async_context(self.site())
            # A new one begins at what is published from then on.
            await wait_until(lambda: self.live._store.cursor(f"webhook:{NAME}"))
            self.start = await self.live._store.head()
            for _ in range(steps):
                step = self.random.choice((self.create, self.create, self.create, self.update, self.update_secretly,
                                           self.delete, self.redeliver, None))  # fmt: skip
                if step is None:
                    await stack.aclose()
                    self.restarts.add(len(self.heard))
                    self.live = await stack.enter_async_context(self.site())
                else:
                    await step()
            await self.end()
            changes = (await self.live._store.read(self.start, 1_000, Order.__tablename__)).changes
        self.check([change for change in changes if self.is_posted(change)])

    def site(self) -> Live:
        live = Live(f"sqlite:///{self.folder / 'shop.db'}", synchronous="NORMAL")
        hook = Webhook(self.url, SECRET, events=self.events, give_up=0.03, allow_private=True)
        live.add_resource(PATH, Order, hidden={"secret": lambda user: user is None}, webhooks=[hook])
        return live

    # What happens

    def text(self) -> str:
        self.number += 1
        return f"{self.random.choice(FATES)}-{self.number}"

    async def create(self) -> None:
        await order(self.live, self.text())

    async def update(self) -> None:
        await self.change("text", self.text())

    async def update_secretly(self) -> None:
        await self.change("secret", self.text())

    async def change(self, attribute: str, value: str) -> None:
        async with self.live.session() as session:
            if (found := await session.get(Order, self.random.randrange(1, 4))) is not None:
                setattr(found, attribute, value)
                await session.commit()

    async def delete(self) -> None:
        async with self.live.session() as session:
            if (found := await session.get(Order, self.random.randrange(1, 4))) is not None:
                await session.delete(found)
                await session.commit()

    async def redeliver(self) -> None:
        """All dead letters, which are taken now."""
        for letter in await self.live.webhooks.dead_letters(NAME):
            self.redelivered.add(letter.seq)
            self.is_mild = True
            assert await self.live.webhooks.redeliver(letter), "its receiver takes it"
            self.is_mild = False

    async def end(self) -> None:
        """Return when all has been posted, and no letter is left."""
        for number in range(3):
            await wait_until(self.is_quiet, within=10)
            await self.redeliver()
            self.is_mild = number > 0
            await order(self.live, f"ok-end{number}")
        await wait_until(lambda: "ok-end2" in self.receiver.texts(self.receiver.taken), within=10)
        assert await self.live.webhooks.dead_letters(NAME) == [], "a letter that was taken has left the list"

    async def is_quiet(self) -> bool:
        return await self.live._store.cursor(f"webhook:{NAME}") == await self.live._store.head()

    # What has to be so

    def is_posted(self, change: Change) -> bool:
        if change.method == "PUT" and (change.before or {})["text"] == (change.after or {})["text"]:
            return False
        return not self.events or METHODS[change.method] in self.events

    def check(self, changes: list[Change]) -> None:
        by_seq = {change.seq: change for change in changes}
        for data, _ in self.heard:
            change = by_seq.get(data["seq"])
            assert change is not None, "nothing else is posted"
            if data["method"] != "RESET":
                row = change.after or change.before or {}
                assert data["body"] == {"id": row["id"], "text": row["text"]}
        taken = {data["seq"] for data, status in self.heard if status < 300}
        reset = {data["seq"] for data, _ in self.heard if data["method"] == "RESET"}
        is_missed = False
        for change in changes:
            assert is_missed or change.seq in taken, (
                "what is not taken is tried again, or kept as a dead letter"
            )
            has_ended = any(data["seq"] == change.seq and status == 410 for data, status in self.heard)
            is_missed = has_ended or (is_missed and change.seq not in reset)
        self.check_order([each for place, each in enumerate(self.heard) if place not in self.again])

    def check_order(self, heard: list[tuple[dict[str, Any], int]]) -> None:
        for (one, status), (other, _) in pairwise(heard):
            if one["seq"] == other["seq"]:
                assert status >= 300 or self.restarts, "what was taken is not sent again"
                continue
            assert one["seq"] < other["seq"], "in order"
            assert other["prev"] == one["seq"], "prev names the message before"
            assert status < 300 or one["seq"] in self.redelivered, "nothing overtakes what is tried again"
            assert (other["method"] == "RESET") == (status == 410), "what was missed is told by a reset"


async def tell(seed: int, steps: int = 12) -> Story:
    """Play the history of a seed. Raises AssertionError."""
    with TemporaryDirectory(prefix="live-letters-") as folder, impatiently():
        async with receiving() as (receiver, url):
            story = Story(seed, Path(folder), receiver, url)
            await story.play(steps)
    return story
