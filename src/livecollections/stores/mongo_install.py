"""What MongoDB's store needs of a database: collections that keep the images of what is changed.

Two rules. A collection that is there is changed in nothing but that. Where the user of the database may not even do
that, the store goes on without images, and says so: then a delete tells no more than the key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pymongo.errors import CollectionInvalid, OperationFailure

from ..errors import CaptureMissing, ConfigurationError, StoreError
from .base import Log
from .mongo_connection import Database, translated
from .mongo_events import names_of
from .mongo_models import KEY, DocumentSource

logger = logging.getLogger("livecollections.store")

IMAGES = "changeStreamPreAndPostImages"
NO_IMAGES = "pre- and post-images are not kept"
_THERE_ALREADY = 48


def keeps_images(listed: Mapping[str, Any]) -> bool:
    """Whether the images of a collection are kept, as the list of collections says."""
    return bool((listed.get("options", {}).get(IMAGES) or {}).get("enabled"))


class Installation:
    """Of one log in one database."""

    def __init__(self, database: Database, log: Log, clock: Callable[[], float]) -> None:
        self._database = database
        self._names = names_of(log)
        self._clock = clock

    async def secure(self, sources: Iterable[DocumentSource], *, creates: bool, installs: bool) -> None:
        """Put right what is missing, or say so. Raises ConfigurationError, CaptureMissing."""
        with translated():
            there = {found["name"]: found async for found in await self._database.list_collections()}
        lacking, absent = self._looked_at(sources, there)
        if absent and not creates:
            raise ConfigurationError(f"the database has no collection {absent[0]!r}")
        own = [name for name in self._names.all if name not in there]
        if not installs and (lacking or own):
            raise CaptureMissing(
                {**dict.fromkeys(lacking, NO_IMAGES), **dict.fromkeys(own, "it is not there")}
            )
        for name in own:
            await self._create(name)
        with translated():
            for name in {*own} & {*self._names.aging}:
                await self._database[name].create_index("at")
        for name in absent:
            await self._create(name, **{IMAGES: {"enabled": True}})
        for name in lacking:
            await self._keep_images(name)

    def _looked_at(
        self, sources: Iterable[DocumentSource], there: Mapping[str, Mapping[str, Any]]
    ) -> tuple[list[str], list[str]]:
        """The collections that keep no images, and those that are not there. Raises ConfigurationError."""
        lacking, absent = [], []
        for source in sources:
            found = there.get(source.name)
            if found is None:
                absent.append(source.name)
            elif found.get("type", "collection") != "collection":
                raise ConfigurationError(f"{source.name!r} is no collection: no stream tells its changes")
            elif not keeps_images(found):
                lacking.append(source.name)
        return lacking, absent

    async def _create(self, name: str, **options: Any) -> None:
        try:
            with translated():
                await self._database.create_collection(name, check_exists=False, **options)
        except StoreError as error:
            is_there = (
                isinstance(error.__cause__, OperationFailure) and error.__cause__.code == _THERE_ALREADY
            )
            if not is_there and not isinstance(error.__cause__, CollectionInvalid):
                raise

    async def _keep_images(self, name: str) -> None:
        try:
            await self._database.command({"collMod": name, IMAGES: {"enabled": True}})
        except OperationFailure as error:
            logger.warning(
                "%s: %s (%s); a delete there tells no more than the key", name, NO_IMAGES, error.code
            )
        else:
            await self._note(name, "images")

    async def _note(self, collection: str, done: str) -> None:
        """Remember what was done, so that it can be undone."""
        with translated():
            await self._database[self._names.meta].update_one(
                {KEY: f"collection {collection}"}, {"$set": {"done": done, "at": self._clock()}}, upsert=True
            )

    async def uninstall(self) -> None:
        """Take away what was made for the log; documents stay."""
        with translated():
            noted = self._database[self._names.meta].find({"done": "images"})
            for one in await noted.to_list():
                name = one[KEY].removeprefix("collection ")
                await self._database.command({"collMod": name, IMAGES: {"enabled": False}})
            for name in self._names.all:
                await self._database.drop_collection(name)
