"""Sender: sends a collection's own writes until it is known what has become of them.

Three rules. A create may be sent again: the server knows it by its Idempotency-Key. Another write goes again only if
it can't have been obeyed; if it may have been, the stream is asked, in which its origin tells. What stays unknown is
said so: ``Unconfirmed``; at once where the server knows neither keys nor origins.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ..errors import ClientClosed, ClientError, LiveError, Unconfirmed, Unreachable
from .rest import VERBS, Answer, Rest
from .state import Document
from .turn import Turn
from .write import Write
from .writes import Writes

RETRY = 0.25
"""Seconds before a write goes again; then twice as many, and so on."""
LONGEST_RETRY = 4.0
NOT_NOW = {429, 503}
"""Statuses that say that nothing was done, and that it may be asked again."""
FOR_NOW = {408, 425, 502, 504}
"""Statuses that say that it may be asked again, if it is known again."""


class Sender:
    """Sends the writes of one collection.

    path: of the list.  follow: called after what is shown may have changed.  turn: when the stream has told something.
    timeout: seconds until a write is given up.
    """

    def __init__(self, path: str, rest: Rest, writes: Writes, turn: Turn, timeout: float) -> None:
        self._path = path
        self._rest = rest
        self._writes = writes
        self._turn = turn
        self._timeout = timeout

    async def send(self, write: Write, segment: str | None) -> Document | None:
        """Send it, and return the document as the answer shows it; None where only the stream has told.

        Raises: RequestError, a refusal. Unreachable, it never left. Unconfirmed, it may have been obeyed.
        ClientClosed, the client was closed before it left.
        """
        status: int | None = None
        seq: str | None = None
        try:
            answer = await self._answer(write, segment)
            if answer is not None:
                status, seq = answer.status, answer.seq
                if answer.refusal is not None:
                    raise answer.refusal
        except BaseException:
            self._writes.failed(write, status, seq)
            raise
        body = answer.body if answer is not None and isinstance(answer.body, dict) else None
        self._writes.answered(write, body, seq)
        return body

    async def _answer(self, write: Write, segment: str | None) -> Answer | None:
        """The answer that counts; None where the stream tells that it was obeyed."""
        last: LiveError | None = None
        delay = RETRY
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                while not write.is_heard:
                    try:
                        answer = await self._rest.write(write, segment)
                    except ClientClosed as error:
                        last = error
                        break
                    except ClientError as error:
                        last = error
                    else:
                        if answer.status not in NOT_NOW | FOR_NOW:
                            return answer
                        last = answer.refusal
                    if self._may_be_obeyed(last):
                        write.may_exist = True
                        if self._writes.is_unnumbered:
                            break
                        if write.kind != "create":
                            await self._turn.wait_until(lambda: write.is_heard)
                    await self._wait_heard(write, delay)
                    delay = min(LONGEST_RETRY, 2 * delay)
        if write.is_heard:
            return None
        if write.may_exist or last is None:
            reason = "no answer in time" if last is None else str(last)
            raise Unconfirmed(f"{VERBS[write.kind]} {self._path}", reason) from last
        raise last

    async def _wait_heard(self, write: Write, within: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._turn.wait_until(lambda: write.is_heard)

    @staticmethod
    def _may_be_obeyed(error: LiveError | None) -> bool:
        return not isinstance(error, Unreachable) and getattr(error, "status", None) not in NOT_NOW
