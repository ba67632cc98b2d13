"""SiteClient: a LiveClient that says so when it is used on another loop than the one that it was opened on.

On another loop nothing would ever answer, and the test would hang until it is given up.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from ..collection import LiveClient
from ..errors import ConfigurationError


class SiteClient(LiveClient):
    """A LiveClient for tests."""

    _loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        return await super().__aenter__()

    if not TYPE_CHECKING:  # to type checkers it is that of LiveClient, with all its forms

        def collection(self, *arguments: Any, **options: Any) -> Any:
            """As of LiveClient."""
            if self._loop is not None and self._loop is not asyncio.get_running_loop():
                raise ConfigurationError(
                    "this client was opened on another event loop: open one where you use it, with "
                    "`async with live_site.client() as client`, or give test and fixture the same loop_scope"
                )
            return super().collection(*arguments, **options)
