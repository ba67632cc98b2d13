"""A sidecar in the test's own process, that looks at its tables at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from livecollections.sidecar import Sidecar
from livecollections.stores.sqlite import SQLiteStore
from livecollections.stores.sqlite_administration import SQLiteAdministration
from livecollections.survey import Survey, Wishes
from tests.serving import served


@asynccontextmanager
async def serving(path: Path, wishes: Wishes) -> AsyncIterator[httpx.AsyncClient]:
    """Serve tables of a file; gives a client."""
    url = f"sqlite:///{path}"
    administration = SQLiteAdministration(url)
    survey = Survey(administration, SQLiteStore(url))
    choice = await survey.choose(wishes)
    sidecar = Sidecar(url, administration, survey, choice, wishes, look=0.02)
    async with served(sidecar) as address, httpx.AsyncClient(base_url=address) as client:
        yield client
