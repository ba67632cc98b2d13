"""The look at the store ends when it is told to, also where a driver takes its cancellation for a failure."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from livecollections.errors import StoreUnavailable
from livecollections.stores.base import Store
from livecollections.watch import Watch


class Deaf:
    """A store whose driver makes an error of its own of a cancellation, as PyMongo's may."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def look(self, after: str) -> Any:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise StoreUnavailable("MongoDB can't be reached: AutoReconnect") from None


async def test_it_ends_though_a_driver_hides_the_cancellation() -> None:
    store = Deaf()
    watch = Watch(cast(Store, store), lambda: "")
    watch.start()
    await store.asked.wait()
    await asyncio.wait_for(watch.stop(), 5)
    assert not watch.is_unreachable, "to be stopped is no failure"
