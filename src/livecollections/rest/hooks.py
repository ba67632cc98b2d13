"""Hooks as REST runs them: the first stage and the last beside the loop, those between inside the transaction.

Three rules. A plain function never runs on the loop, so that it may ask a database or wait. Inside the transaction
each hook runs on the writer's thread, and an async one is awaited there for ``PATIENCE`` at most: meanwhile nobody
else writes. A write whose transaction was shared and could not stand is done again, and so are its hooks in it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from dataclasses import dataclass, replace
from typing import Any

from ..change import Row
from ..hooks import Hook, Hooks, Operation
from ..stores.base import Store, Write, Written
from .portion import Portion

logger = logging.getLogger("livecollections.rest")

PATIENCE = 5.0
"""Seconds that an async hook inside the transaction may take."""


@dataclass(frozen=True, slots=True)
class Hooked:
    """The hooks of one write. With none it costs nothing."""

    hooks: Hooks
    operation: Operation

    async def before_validate(self, sent: Any = None) -> Any:
        """Run the first stage; gives the body as the hooks left it. sent: what it was, read from JSON."""
        self.operation.body = sent
        for hook in self.hooks.of("before_validate"):
            await _aside(hook, self.operation)
        return self.operation.body

    async def write(self, store: Store | Portion, write: Write) -> Written:
        """Do the write, with the stages inside its transaction and the one after it."""
        written = await store.write(self.around(write))
        await self.after_commit(written)
        return written

    def around(self, write: Write, loop: asyncio.AbstractEventLoop | None = None) -> Write:
        """A write with the stages that run inside the transaction. loop: awaits async ones; the running one if None."""
        if not self.hooks:
            return write
        loop = loop or asyncio.get_running_loop()
        operation = self.operation

        def run(*stages: str) -> None:
            for stage in stages:
                for hook in self.hooks.of(stage):
                    _inside(hook, operation, loop)

        def change(row: Row | None) -> dict[str, Any] | None:
            operation.key, operation.before, operation.after = write.key, row, None
            values = write.change(row)
            operation.values = dict(values or {})
            run("after_validate", "before_write")
            return None if values is None else operation.values

        def check(row: Row) -> None:
            if write.check is not None:
                write.check(row)
            operation.after = row
            run("after_write", "before_commit")

        return replace(write, change=change, check=check, blocks=True)

    async def after_commit(self, written: Written) -> None:
        """Run the last stage: what it raises is logged. The answer to a repeated request is no commit."""
        if written.repeated:
            return
        for hook in self.hooks.of("after_commit"):
            try:
                await _aside(hook, self.operation)
            except Exception:
                told = {"seq": written.seq}
                logger.exception(
                    "%s: after_commit failed seq=%s", self.operation.path, written.seq, extra=told
                )


async def _aside(hook: Hook, operation: Operation) -> None:
    if inspect.iscoroutinefunction(hook):
        await hook(operation)
        return
    result = await asyncio.to_thread(hook, operation)
    if inspect.isawaitable(result):
        await result


def _inside(hook: Hook, operation: Operation, loop: asyncio.AbstractEventLoop) -> None:
    result = hook(operation)
    if not inspect.isawaitable(result):
        return
    awaited = asyncio.run_coroutine_threadsafe(_wait(result), loop)
    try:
        awaited.result(PATIENCE)
    finally:
        awaited.cancel()


async def _wait(result: Any) -> Any:
    return await result
