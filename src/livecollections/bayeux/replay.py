"""Replay: what a session is behind in is read from the histories, while it has room.

Two rules. What is read joins the live stream at a point between two awaits, so nothing is lost or doubled there.
A history that can't be read is asked again, later and later.

It knows sessions and histories; who hears what is published is the exchange's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from ..change import follows
from .extension import Extensions
from .histories import Histories
from .history import Page
from .position import Position
from .resets import Resets
from .session import Session

logger = logging.getLogger("livecollections.bayeux")

PAGE = 200
"""Messages read from a history at a time."""
PATIENCE = 0.05, 5.0
"""Seconds before a history that told nothing is asked again: at first, and at most."""


class Replay:
    """Reads for sessions that are behind, one task for each of them while it has a link.

    tell: says that messages wait in a session.  end: ends one that can't be told otherwise that it missed something.
    """

    def __init__(
        self,
        histories: Histories,
        extensions: Extensions,
        resets: Resets,
        tell: Callable[[Session], None],
        end: Callable[[Session], None],
    ) -> None:
        self._histories = histories
        self._extensions = extensions
        self._resets = resets
        self._tell = tell
        self._end = end
        self._tasks: dict[asyncio.Task[None], None] = {}

    def begin(self, session: Session) -> None:
        """Read what it is behind in, if anything; its link calls again when it has room again."""
        if session.link is not None and not session.is_replaying and session.is_behind:
            session.is_replaying = True
            self._spawn(self._run(session))

    async def close(self) -> None:
        """Stop reading for anyone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    async def _run(self, session: Session) -> None:
        pause = PATIENCE[0]
        try:
            while session.size <= session.share // 2 and session.is_behind:
                moved = False
                for channel in session.behind():
                    moved |= await self._read(session, channel)
                # A poll that would not wait has gone by now, and the next one takes what was read.
                if session.link is None or (not moved and session.queue):
                    return
                if not moved:
                    await asyncio.sleep(pause)
                pause = PATIENCE[0] if moved else min(2 * pause, PATIENCE[1])
        finally:
            session.is_replaying = False

    async def _read(self, session: Session, channel: str) -> bool:
        """Read one page; False if nothing new was there, it could not be read, or there is no room for it."""
        position, history = session.positions.get(channel), self._histories.of(channel)
        if position is None or history is None:
            return False
        after = position.queued
        try:
            page = await history.read(channel, after, PAGE, position.squash)
        except Exception:
            told = {"channel": channel, "seq": after}
            logger.exception(
                "the history of channel=%s can't be read after seq=%s", *told.values(), extra=told
            )
            return False
        if self._extensions.shared and self._histories.is_fed(channel):
            # What is kept here has passed them before it was kept.
            page = Page(await self._extensions.passed(page.messages), page.upto)
        if (
            session.positions.get(channel) is not position
            or position.queued != after
            or not position.is_behind
        ):
            return True
        self._push(session, position, page)
        return position.queued != after or not position.is_behind

    def _push(self, session: Session, position: Position, page: Page) -> None:
        for message in page.messages:
            # Salesforce's clients know no reset: they subscribe again, and hear that their number is too old.
            is_last = message.is_reset and session.is_numbered
            if not is_last and not session.push(position, message):
                break
            if message.cause is not None:
                self._resets.hear(session, message.channel, message.cause)
            if is_last:
                logger.info("session …%s missed what is kept no longer, and has ended", session.id[-6:])
                self._end(session)
                return
        else:
            if follows(page.upto, position.queued):
                position.queued = page.upto
            if self._histories.is_whole(position.channel, page, position.queued):
                session.catch_up(position)
        if session.queue and session.link is not None:
            self._tell(session)
