"""Actor: one client of a history, on a host of its own: it comes, hears, writes and leaves.

Two rules. Everything it does runs on its host, so that it stands still with it. What it does not bring about in the
end, as an answer that never came, it notes; what must not happen is a violation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from livecollections.bayeux.lifecycle import State
from livecollections.errors import ClientError, LiveError, RequestError

from .history import Reader
from .ledger import Violation
from .meetings import collection_state, is_read
from .watch import CollectionWatch, PlainWatch, Wish

if TYPE_CHECKING:
    from .stage import Stage

PATH = "/api/todos"
TALK = "/talk"
"""A plain channel, on which plain subscribers publish."""
TIMEOUT = 12.0
"""Seconds until a client gives up what it waits for."""
PATIENCE = 4.0
"""Seconds that one answer may take."""
AGAIN = 0.5
"""Seconds before it tries to come again."""
NOT_NOW = frozenset({408, 425, 429, 502, 503, 504})


class Actor:
    """One client.  host: its name.  watches: those of all its lives.  begun: while something of it runs."""

    def __init__(self, number: int, reader: Reader, stage: Stage) -> None:
        self.number = number
        self.reader = reader
        self.host = f"client {number}"
        self.stage = stage
        self.client: Any = None
        self.collection: Any = None
        self.subscription: Any = None
        self.watches: list[CollectionWatch | PlainWatch] = []
        self.changed: dict[Callable[[], None], None] = {}
        self.begun = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._leaving = asyncio.Event()
        self._is_away = True

    # What state it is in

    @property
    def is_collection(self) -> bool:
        return self.reader.kind == "collection"

    def states(self) -> tuple[str, ...]:
        """Its protocol states now."""
        life = State.NEW.value if self.client is None else self.client.bayeux.state.value
        if not self.is_collection:
            return (life,)
        return (life, "off" if self.collection is None else collection_state(self.collection))

    def turn(self, *state: object) -> None:
        """Its state may be another now."""
        for told in [*self.changed]:
            told()

    def note(self, text: str) -> None:
        """A line for the trace."""
        self.stage.note(self.host, text)

    def _extend(self, watch: CollectionWatch | PlainWatch) -> None:
        """Let a watch see what the client sends and is sent."""
        self.client.bayeux._driver._extensions = [watch.told]

    # Coming and leaving

    def join(self) -> None:
        """Come, if it is away."""
        if self._life is None or self._life.done():
            self._leaving = asyncio.Event()
            self.begun.set()
            self._life = self.stage.start(self.host, self._live())
            self._life.add_done_callback(self._over)

    def _over(self, life: asyncio.Task[None]) -> None:
        self.begun.clear()
        self.stage.ended(life)

    async def leave(self) -> None:
        """Leave, and return when nothing of it is left."""
        self._leaving.set()
        if self._life is not None:
            await asyncio.wait({self._life})
            self._life.result()

    async def _live(self) -> None:
        self.client = self.stage.simulation.client(
            self.host,
            transports=[self.reader.transport],
            timeout=TIMEOUT,
            patience=PATIENCE,
            ack=self.reader.ack,
        )
        self.client.bayeux.watch(self.turn)
        self.note(f"comes, by {self.reader.transport}{'' if self.reader.ack else ', without acknowledging'}")
        async with self.client:
            while not self._leaving.is_set():
                await (self._hold() if self.is_collection else self._subscribe())
            self.note("leaves")
        self.collection = self.subscription = None
        self.turn()

    async def _hold(self) -> None:
        """Hold the collection until it is time to leave."""
        collection = self.collection = self.client.collection(PATH, optimistic=self.reader.optimistic)
        watch = CollectionWatch(self.host, collection, self.stage.ledger, self.note)
        self._extend(watch)
        self.watches.append(watch)
        follower = collection._follower
        turned = follower._turned

        def on_turned() -> None:
            turned()
            self.turn()

        follower._turned = on_turned
        try:
            async with collection:
                await self._leaving.wait()
        except (ClientError, RequestError) as error:
            self._check_error(error, "enter")
            await self._pause()
        finally:
            watch.left()

    async def _subscribe(self) -> None:
        """Subscribe, and hear until it is time to leave."""
        since = self.stage.ledger.last if self.reader.since == "now" else self.stage.beginning()
        watch = PlainWatch(self.host, self.stage.ledger, PATH, since, self.note)
        self._extend(watch)
        subscription = self.client.bayeux.subscribe(PATH, since=since)
        leaving = asyncio.create_task(self._leaving.wait())
        try:
            async with subscription:
                self.subscription = subscription
                self.watches.append(watch)
                watch.began(subscription.positions)
                hearing = asyncio.create_task(self._hear(subscription, watch))
                await asyncio.wait({hearing, leaving}, return_when=asyncio.FIRST_COMPLETED)
                hearing.cancel()
                await asyncio.wait({hearing})
                if not hearing.cancelled() and (error := hearing.exception()) is not None:
                    raise error
        except ClientError as error:
            self._check_error(error, "subscribe")
            await self._pause()
        finally:
            leaving.cancel()
            watch.left()

    async def _hear(self, subscription: Any, watch: PlainWatch) -> None:
        async for item in subscription:
            try:
                watch.hear(item)
            except Violation as error:
                watch.error = watch.error or error

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(AGAIN):
                await self._leaving.wait()
        except TimeoutError:
            pass

    # Writing

    async def act(self, detail: Mapping[str, Any], *, is_repeated: bool = False) -> None:
        """Write, if there is something to write to. Violations are kept for the stage."""
        collection = self.collection
        if collection is None or collection.live == "off":
            return
        kind, key = detail["kind"], None
        if kind != "create":
            keys = sorted(collection.keys(), key=int)
            if not keys and kind == "delete":
                return
            kind, key = (kind, keys[detail["pick"] % len(keys)]) if keys else ("create", None)
        title = detail.get("title")
        watch, wish, blinds = self.watches[-1], Wish(kind, key, title), self.stage.oracle.begin(kind, title)
        assert isinstance(watch, CollectionWatch)
        watch.wishes(wish)
        self.note(f"asks to {kind} {'' if key is None else key} {title or ''}")
        self.turn()
        self.stage.wrote()
        try:
            document = await self._send(collection, kind, key, detail)
        except (ClientError, RequestError) as error:
            self._failed(error, kind, title, is_repeated)
        else:
            self.note(f"has an answer to {kind} {'' if key is None else key} {title or ''}")
            watch.is_granted(wish)
            self.stage.oracle.acknowledge(self.host, kind, key, title, document, blinds)
        self.turn()

    async def _send(self, collection: Any, kind: str, key: Any, detail: Mapping[str, Any]) -> Any:
        if kind == "create":
            return await collection.create({"title": detail["title"]})
        if kind == "delete":
            return await collection.delete(key)
        fields = {name: detail[name] for name in ("title", "rank") if name in detail}
        if kind == "update":
            return await collection.update(key, fields)
        return await collection.replace(key, {**fields, "completed": detail["pick"] % 2 == 0})

    def _failed(self, error: LiveError, kind: str, title: str | None, is_repeated: bool) -> None:
        self.note(f"is told, of {kind} {title or ''}: {type(error).__name__} {error}")
        self._check_error(error, kind)
        is_refused = 400 <= getattr(error, "status", 0) < 500
        if is_refused and title is not None and not is_repeated:
            self.stage.oracle.refuse(self.host, title)

    def _check_error(self, error: LiveError, what: str) -> None:
        """Errors that a sound server never gives here."""
        status = getattr(error, "status", None)
        if isinstance(error, RequestError) and status not in NOT_NOW | {404}:
            self.stage.oracle.fail(Violation("REST", f"{self.host}: {what} gives {status} {error}"))

    async def publish(self, title: str) -> None:
        """Publish on a plain channel, if it has come."""
        if self.client is None or self.states()[0] == State.ENDED.value:
            return
        machine = self.client.bayeux._machine
        self.note(f"publishes {title}")
        before = machine.client_id
        try:
            await self.client.bayeux.publish(TALK, {"title": title})
        except ClientError as error:
            self.note(f"is told, of {title}: {type(error).__name__} {error}")
        else:
            self.stage.oracle.is_published(self.host, title)
        if before is None or machine.client_id != before:
            # Where its session is another one by then, nobody can know it again.
            self.stage.oracle.may_double(title)

    async def read(self) -> None:
        """Read the list once more."""
        if self.collection is not None and self.collection.live != "off":
            try:
                await self.collection.read()
            except (ClientError, RequestError) as error:
                self._check_error(error, "read")

    # The end

    @property
    def is_settled(self) -> bool:
        """Whether it has come, and nothing of it is under way."""
        if self._life is None or self._leaving.is_set():
            return self._life is None or self._life.done()
        if not self.watches:
            return False
        if self.is_collection:
            requests = self.collection._replica.requests if self.collection is not None else [None]
            return all(is_read(one) for one in requests) and self.watches[-1].is_settled
        return self.subscription is not None and self.watches[-1].is_settled
