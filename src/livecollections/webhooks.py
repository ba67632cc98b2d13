"""Webhooks: a resource's changes, posted to an address of somebody else's, signed and in order.

Three rules. A webhook is a durable listener: one process at a time posts, one message after another, each at least
once, from a cursor in the store. A message that is not taken is tried again, ever more rarely; what is given up is kept
as a dead letter, and the next one follows. What is posted is the message that subscribers hear, whose ``prev`` names
the one before, which a mark in the store remembers: the cursor goes on past what is not posted.

It knows the port of the stores and no HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import random as chance
import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

import orjson

from . import step
from .change import Change, Method
from .endpoint import Endpoint, Reply
from .errors import ConfigurationError, StoreError
from .feed import message
from .listeners import METHODS, RETRY, Listener, Progress, Run
from .resource import Resource
from .signature import key_of, sign
from .stores.base import Letter, Store
from .version import __version__
from .view import seen

logger = logging.getLogger("livecollections.webhooks")

FIRST_WAIT = 1.0
"""Seconds until a message is tried a second time; then twice as many, and so on."""
LONGEST_WAIT = 3600.0
KEPT = 10_000
"""Dead letters of one webhook that are kept."""
WATCH = 60.0
"""Seconds that are slept at most before the clock is looked at again: it may be set."""
GONE = 410

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_EVENTS: dict[Method, str] = {"POST": "created", "PUT": "updated", "DELETE": "deleted", "RESET": "reset"}


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the changes of a resource are posted.

    url: ``https://…``.
    secret: ``whsec_…``, or several: a message bears a signature by each, so that one can take another's place.
    name: under which its place in the log and its dead letters are kept; as shipped made of the resource's path.
    events: some of "create", "update", "delete"; all three where none is named. A reset is always told.
    timeout: seconds in which an answer must come.
    give_up: seconds after its first failure when a message is tried for the last time.
    allow_private: let the URL lead into a private network, and be ``http://…``.
    ssl: a context that decides whom to trust, and may hold a certificate of ours.

    Raises ConfigurationError that names a wrong option.
    """

    url: str
    secret: str | Sequence[str] = field(repr=False)
    name: str | None = None
    events: Sequence[str] = ()
    timeout: float = 15.0
    give_up: float = 86_400.0
    allow_private: bool = False
    ssl: SSLContext | None = None

    def __post_init__(self) -> None:
        _check_url(self.url, self.allow_private)
        if not self.keys:
            raise ConfigurationError("secret: at least one is needed")
        if self.name is not None and not (isinstance(self.name, str) and _NAME.fullmatch(self.name)):
            raise ConfigurationError(f"name: 1 to 64 of A-Z a-z 0-9 _ - are needed, not {self.name!r}")
        if isinstance(self.events, str) or (unknown := sorted(set(self.events) - METHODS.keys())):
            wrong = self.events if isinstance(self.events, str) else unknown[0]
            raise ConfigurationError(
                f"events: a list of some of {', '.join(METHODS)} is needed, not {wrong!r}"
            )
        for option in ("timeout", "give_up"):
            value = getattr(self, option)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise ConfigurationError(f"{option}: more than 0 is needed, not {value!r}")

    @property
    def keys(self) -> list[bytes]:
        """The keys that its secrets stand for."""
        return [key_of(each) for each in ([self.secret] if isinstance(self.secret, str) else self.secret)]


def type_of(resource: Resource, method: Method) -> str:
    """What messages about changes of a resource are called: ``api.todos.created``."""
    named = ".".join(part for part in resource.path.strip("/").split("/") if "{" not in part)
    return f"{named}.{_EVENTS[method]}"


def methods_of(webhooks: Iterable[Webhook]) -> list[Method]:
    """The methods whose changes some of these webhooks post; a reset is always told."""
    wanted = {"reset", *(event for each in webhooks for event in each.events or METHODS)}
    return [method for event, method in METHODS.items() if event in wanted]


class Delivery:
    """One webhook at work.

    name: its own.  clock: gives the seconds since 1970.  random: gives numbers from 0 to below 1.
    """

    def __init__(
        self,
        name: str,
        webhook: Webhook,
        resource: Resource,
        store: Store,
        clock: Callable[[], float] = lambda: time.time(),
        random: Callable[[], float] = chance.random,
    ) -> None:
        self.name = name
        self.durable = f"webhook:{name}"
        self._webhook = webhook
        self._resource = resource
        self._store = store
        self._clock = clock
        self._random = random
        self._keys = webhook.keys
        self._endpoint = Endpoint(webhook.url, webhook.timeout, webhook.allow_private, webhook.ssl, clock)

    def run(self, progress: Progress) -> Run:
        """The listener that hears what is to be posted."""
        source = self._resource.source
        events = {"reset", *(self._webhook.events or ("create", "update", "delete"))}
        listener = Listener.declare(source.model, events, self.deliver, self.durable)
        return Run(listener, source.name, self._store, progress, self._clock)

    async def deliver(self, change: Change) -> None:
        """Return when the receiver has a change, or it is a dead letter, or the webhook has ended."""
        while True:
            try:
                await self._deliver(change)
            except StoreError:
                told = self._told(change.seq)
                logger.exception(
                    "%s: letters can't be read or kept; trying again seq=%s",
                    self.name,
                    change.seq,
                    extra=told,
                )
                await asyncio.sleep(RETRY)
            else:
                return

    async def _deliver(self, change: Change) -> None:
        visible = seen(self._resource, change)
        if visible is None:
            return
        marks = await self._store.letters.read(self.durable, ["told"])
        if marks and marks[-1].seq == change.seq:
            return  # A process ended after the mark, before it moved the cursor.
        found = await self._store.letters.read(self.name, ("failing", "ended", "resumed"))
        standing = {letter.state: letter for letter in found}
        if "ended" in standing:
            return
        letter = standing.get("failing")
        if letter is None or letter.seq != change.seq:
            # What was not posted while the webhook had ended is told as a reset, which stands for this change too.
            told: Change = replace(change, method="RESET") if "resumed" in standing else visible
            before = marks[-1].seq if marks else await self._store.cursor(self.durable)
            letter = Letter(self.name, change.seq, self._body(told, before))
        await self._settle(letter, standing.values())
        await self._mark(change.seq, marks)

    async def _settle(self, letter: Letter, standing: Iterable[Letter]) -> None:
        """Post a letter until it is taken, and what stood before has been answered by it; or until it is given up."""
        while letter.state == "failing":
            await self._sleep_until(letter.due)
            reply = await self._post(letter)
            if reply.is_taken:
                step.tell(logger, "posted", **self._told(letter.seq))
                for old in {letter.seq, *(other.seq for other in standing)}:
                    if letter.attempts or old != letter.seq:
                        await self._store.letters.drop(self.name, old)
                return
            letter = self._failed(letter, reply)
            await self._keep(letter)

    async def _mark(self, seq: str, marks: Iterable[Letter]) -> None:
        """Remember what was taken or given up last, in the place of older marks."""
        await self._store.letters.keep(Letter(self.durable, seq, b"", "told"), KEPT)
        for old in marks:
            if old.seq != seq:
                await self._store.letters.drop(self.durable, old.seq)

    def _body(self, change: Change, before: str | None) -> bytes:
        data = message(self._resource, change, before)
        return orjson.dumps(
            {
                "type": type_of(self._resource, change.method),
                "timestamp": datetime.fromtimestamp(change.at, UTC).isoformat().replace("+00:00", "Z"),
                "data": data,
            }
        )

    async def _post(self, letter: Letter) -> Reply:
        headers = sign(self._keys, f"{self.name}_{letter.seq}", int(self._clock()), letter.body)
        headers |= {"content-type": "application/json", "user-agent": f"livecollections/{__version__}"}
        return await self._endpoint.post(letter.body, headers)

    def _failed(self, letter: Letter, reply: Reply) -> Letter:
        """The letter after one more failure, and when it is tried again."""
        now = self._clock()
        since = letter.since if letter.attempts else now
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(letter.attempts, 20)) * (1 + self._random()) / 2
        last = since + self._webhook.give_up
        failed = replace(letter, attempts=letter.attempts + 1, reason=reply.reason, since=since)
        if reply.status == GONE:
            return replace(failed, state="ended")
        if now >= last:
            return replace(failed, state="dead")
        return replace(failed, due=min(last, now + max(wait, reply.retry_after)))

    async def _keep(self, letter: Letter) -> None:
        lost = await self._store.letters.keep(letter, KEPT)
        told = self._told(letter.seq)
        if lost:
            logger.error(
                "%s: there are more than %d dead letters: the oldest is gone", self.name, KEPT, extra=told
            )
        if letter.state == "failing":
            wait = letter.due - self._clock()
            logger.warning(
                "%s: %s; trying again in %.0f s seq=%s",
                self.name,
                letter.reason,
                wait,
                letter.seq,
                extra=told,
            )
        elif letter.state == "ended":
            logger.error(
                "%s: %s: nothing more is posted until this is redelivered seq=%s",
                self.name,
                letter.reason,
                letter.seq,
                extra=told,
            )
        else:
            logger.error("%s: %s: a dead letter seq=%s", self.name, letter.reason, letter.seq, extra=told)

    async def _sleep_until(self, due: float) -> None:
        while (left := due - self._clock()) > 0:  # noqa: ASYNC110  # a clock gives no signal
            await asyncio.sleep(min(left, WATCH))

    async def redeliver(self, letter: Letter) -> bool:
        """Post a letter once more, out of order; whether its receiver has it now."""
        reply = await self._post(letter)
        if not reply.is_taken:
            await self._store.letters.keep(
                replace(letter, attempts=letter.attempts + 1, reason=reply.reason), KEPT
            )
        elif letter.state == "ended":
            await self._store.letters.keep(replace(letter, state="resumed", body=b""), KEPT)
        else:
            await self._store.letters.drop(self.name, letter.seq)
        return reply.is_taken

    def _told(self, seq: str) -> dict[str, str]:
        return {"seq": seq, "channel": self._resource.channel, "webhook": self.name}

    async def close(self) -> None:
        """Close the connections."""
        await self._endpoint.close()


class Webhooks:
    """All webhooks of a Live.

    resources: those that may have some, as they are told to who is no user.  clock: gives the seconds since 1970.
    """

    def __init__(self, resources: Iterable[Resource], store: Store, clock: Callable[[], float]) -> None:
        self._deliveries: dict[str, Delivery] = {}
        self._store = store
        self._runs: list[Run] = []
        for resource, webhook in ((each, webhook) for each in resources for webhook in each.webhooks):
            name = webhook.name or _NOT_IN_NAMES.sub("-", resource.path.strip("/"))[:64]
            if name in self._deliveries:
                raise ConfigurationError(f"webhooks: two are called {name}; give each a name")
            self._deliveries[name] = Delivery(name, webhook, resource, store, clock)

    def start(self, progress: Progress) -> None:
        """Begin where each stood; a new one begins at what is published from now on."""
        self._runs = [each.run(progress) for each in self._deliveries.values()]
        for run in self._runs:
            run.start()

    async def stop(self) -> None:
        """End after the requests that run, which have a second to end: they are made again after the next start."""
        await asyncio.gather(*(run.stop() for run in self._runs))
        await asyncio.gather(*(each.close() for each in self._deliveries.values()))

    async def dead_letters(self, name: str, after: str = "", limit: int = 100) -> list[Letter]:
        """What the receiver of a webhook has not taken, and will not be sent again by itself.

        name: of the webhook.  after: the seq of the last letter of the page before.  limit: how many.
        Raises ConfigurationError for a name that no webhook has, StoreUnavailable.
        """
        self._delivery(name)
        return await self._store.letters.read(name, ("dead", "ended"), after, limit)

    async def redeliver(self, letter: Letter) -> bool:
        """Post a dead letter once more, now and out of order; if it is taken it leaves the list.

        A webhook that its receiver had ended (410) goes on then. Returns whether it was taken.
        Raises ConfigurationError for a letter of no webhook, StoreUnavailable.
        """
        return await self._delivery(letter.webhook).redeliver(letter)

    def _delivery(self, name: str) -> Delivery:
        if name not in self._deliveries:
            known = ", ".join(self._deliveries) or "none"
            raise ConfigurationError(f"webhooks: there is no {name!r}; there are {known}")
        return self._deliveries[name]


def check_webhooks(webhooks: Any) -> None:
    """Raise ConfigurationError unless these are webhooks, or None."""
    if webhooks is None:
        return
    if not isinstance(webhooks, Collection) or not all(isinstance(each, Webhook) for each in webhooks):
        raise ConfigurationError(f"webhooks: a list of Webhook(url, secret) is needed, not {webhooks!r}")


def _check_url(url: str, allow_private: bool) -> None:
    schemes = ("https", "http") if allow_private else ("https",)
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in schemes and parts.hostname and "@" not in parts.netloc and parts.port != 0
    except (ValueError, AttributeError):
        is_right = False
    if not is_right:
        wanted = " or ".join(f"{scheme}://…" for scheme in schemes)
        raise ConfigurationError(f"url: {wanted} without a user is needed, not {url!r}")
