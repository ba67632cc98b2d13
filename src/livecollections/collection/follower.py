"""Follower: keeps a replica fed. It hears the channel, and others that its list names beside, reads the list when the
replica asks, and tells what changed.

Two rules. Whatever the replica asks for is done at once, in the order of the calls. When a follower is stopped, nothing
of it is left: no subscription, no task, no timer.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

from ..bayeux.client import Client
from ..bayeux.delivery import Delivery
from ..bayeux.hearing import Hearing
from ..bayeux.lifecycle import State
from ..errors import ClientError, LiveError, RequestError
from .beside import Beside
from .reading import Reading
from .replica import Replica
from .rest import Rest
from .state import DocumentChange

logger = logging.getLogger("livecollections.collection")

Live = Literal["off", "connecting", "live", "stale", "refused"]

RETRY = 0.5
"""Seconds after which a failed list is read again; then twice as many, and so on."""
LONGEST_RETRY = 10.0


class Follower:
    """One replica's link to the server, as a listener of its channel.

    told: called with what is shown otherwise.  turned: called when ``live`` or ``error`` may be another.
    """

    def __init__(
        self,
        client: Client,
        rest: Rest,
        replica: Replica,
        told: Callable[[list[DocumentChange]], None],
        turned: Callable[[], None],
    ) -> None:
        self._error: LiveError | None = None
        self._client = client
        self._rest = rest
        self._replica = replica
        self._told = told
        self._turned = turned
        self._refusal: LiveError | None = None
        self._beside: dict[str, Beside] = {}
        self._hearing: Hearing | None = None
        self._unwatch: Callable[[], None] | None = None
        self._tasks: dict[asyncio.Task[LiveError | None], None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tries = 0

    @property
    def refusal(self) -> LiveError | None:
        """Why there is no subscription, and won't be."""
        refusals = [self._refusal, *(one.refusal for one in self._beside.values())]
        return next((one for one in refusals if one is not None), None)

    @property
    def live(self) -> Live:
        """What ``LiveCollection.live`` says."""
        if self._hearing is None:
            return "off"
        if self.refusal is not None:
            return "refused"
        if self.stale is not None:
            return "stale"
        confirmed = [self._hearing.confirmed, *(one.is_confirmed for one in self._beside.values())]
        is_here = self._client.state is State.CONNECTED and all(confirmed)
        return "live" if is_here and self._replica.is_joined else "connecting"

    @property
    def error(self) -> LiveError | None:
        """Why it is not live, as far as it is known: of its own requests, else of the client's connection."""
        own = self._error or self.refusal
        return self._client.error if own is None and self._hearing is not None else own

    @property
    def failures(self) -> int:
        """How many tries to connect or to read have failed since the last success."""
        return max(self._client.failures, self._tries)

    def start(self) -> None:
        """Subscribe, and read."""
        self._unwatch = self._client.watch(lambda state: self._turned())
        self._hearing = self._client.listen(self._replica.channel, self)
        self._replica.start()
        self.follow()

    async def stop(self) -> None:
        """End everything."""
        if self._hearing is not None:
            self._hearing.cancel()
        self._hear_beside((), None)
        if self._unwatch is not None:
            self._unwatch()
        if self._timer is not None:
            self._timer.cancel()
        self._hearing = self._unwatch = self._timer = None
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._turned()

    def follow(self) -> None:
        """Do what the replica asks for, and tell what it shows otherwise."""
        if self._do_asks() and self._hearing is not None:
            self._hearing.resume()
        self._told(self._replica.take_changes())
        self._turned()

    # What the client tells, as to any listener

    def since(self) -> Mapping[str, str]:
        """The replica's position."""
        position = self._replica.position
        return {} if position is None else {self._replica.channel: position}

    def began(self, start: Mapping[str, str], resets: Collection[str]) -> None:
        """The stream is confirmed."""
        channel, self._refusal = self._replica.channel, None
        if self._client.stale is None:
            self._replica.began(start.get(channel), channel in resets)
        self.follow()

    def heard(self, delivery: Delivery) -> bool:
        """A message has come; ``settled`` follows."""
        if isinstance(delivery.data, dict):
            self._replica.heard(delivery.data)
        return self._do_asks()

    def behind(self, channel: str, last: str) -> bool:
        """The server has sent more than has come."""
        self._replica.behind(last)
        return self._do_asks()

    def refused(self, error: LiveError) -> None:
        """There is no subscription, and won't be."""
        self._refusal = error
        self._turned()

    def lost(self) -> None:
        """The way is cut."""
        self._replica.lost()
        self._turned()

    def settled(self) -> None:
        """What came together has been told."""
        self._replica.settled()
        self.follow()

    # Asks

    def _do_asks(self) -> bool:
        """Do what is asked for, but for resuming; whether that is asked too."""
        # While it begins to listen it may be told already; what that asks for is done right after.
        if self._hearing is None:
            return False
        asks = self._replica.take_asks()
        if asks.channel is not None:
            self._hearing.cancel()
            self._hearing = None
            # Of the channel that was guessed: the list has named another.
            self._refusal = None
            self._hearing = self._client.listen(asks.channel, self)
        for reading in asks.reads:
            self.read(reading)
        if asks.later and self._timer is None:
            delay = min(LONGEST_RETRY, RETRY * 2**self._tries)
            self._tries += 1
            self._timer = asyncio.get_running_loop().call_later(delay * random.uniform(0.5, 1), self._again)
        return asks.resume

    def _again(self) -> None:
        self._timer = None
        self._replica.unread()
        self.follow()

    def _hear_beside(self, channels: Sequence[str], position: str | None) -> None:
        """Hear what a list names beside its own channel. position: of the list."""
        before, self._beside = self._beside, {}
        for channel in channels:
            one = before.pop(channel, None)
            if one is None:
                one = Beside(self._client, channel, position, self._changed_beside, self._turned)
            one.pass_on(position)
            self._beside[channel] = one
        for one in before.values():
            one.cancel()

    def _changed_beside(self) -> None:
        if self._client.state is not State.ENDED:
            self._replica.unread(needed=True)
            self.follow()

    @property
    def stale(self) -> str | None:
        """Why it will never be live, if that is known."""
        return self._replica.error or self._client.stale

    def read(self, reading: Reading) -> asyncio.Task[LiveError | None]:
        """Read a list that the replica has noted; the task's result is why there was none."""
        task = asyncio.create_task(self._read(reading))
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    async def _read(self, reading: Reading) -> LiveError | None:
        try:
            await self._rest.read(reading)
            self._replica.listed(reading)
            if reading.is_whole and not reading.is_useless and self._hearing is not None:
                self._hear_beside(reading.beside, reading.label)
        except (RequestError, ClientError) as error:
            self._error = error
            self._replica.read_failed(reading)
            return error
        except asyncio.CancelledError:
            self._replica.read_failed(reading)
            raise
        except Exception as error:
            # Nobody may be waiting for this task.
            logger.exception("%s could not be read", self._replica.channel)
            self._error = ClientError(f"reading failed: {error!r}")
            self._error.__cause__ = error
            self._replica.read_failed(reading)
            return self._error
        else:
            self._error = None
            self._tries = 0
            return None
        finally:
            self.follow()
