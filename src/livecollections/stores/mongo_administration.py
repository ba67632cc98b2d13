"""Administration of a MongoDB database."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..change import Change
from ..errors import ConfigurationError
from ..source import Source
from .administration import Administration, Finding, Found, Plan
from .base import Log
from .mongo_connection import Connection, Database, translated
from .mongo_entries import entries
from .mongo_events import names_of
from .mongo_examination import examine
from .mongo_install import IMAGES, Installation, keeps_images
from .mongo_log import LogCollections
from .mongo_models import KEY, DocumentSource, describe
from .mongo_reflection import SAMPLE, model_of


class MongoAdministration(Administration):
    """That of one database, by its URL or an AsyncDatabase of PyMongo."""

    def __init__(self, database: Any, log: Log | None = None) -> None:
        self._given = database
        self._log = log or Log()
        self._names = names_of(self._log)

    @property
    def database(self) -> str:
        if not isinstance(self._given, str):
            return str(self._given.name)
        return re.sub(r"//[^@/]*@", "//", self._given).partition("?")[0]

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[Database]:
        connection = Connection(self._given)
        try:
            yield await connection.open()
        finally:
            await connection.close()

    async def reflect(self, names: Collection[str] = ()) -> list[Found]:
        async with self._opened() as database:
            there = await self._collections(database)
            if absent := [name for name in names if name not in there]:
                raise ConfigurationError(f"the database has no collection {absent[0]!r}")
            return [await self._found(database, there[name]) for name in names or there]

    async def _collections(self, database: Database) -> dict[str, Mapping[str, Any]]:
        """Those of others, by name."""
        with translated():
            listed = [one async for one in await database.list_collections()]
        ours = {*self._names.all}
        return {
            one["name"]: one
            for one in sorted(listed, key=lambda one: str(one["name"]))
            if one["name"] not in ours and not one["name"].startswith("system.")
        }

    async def _found(self, database: Database, listed: Mapping[str, Any]) -> Found:
        name, kind = listed["name"], listed.get("type", "collection")
        if kind != "collection":
            return Found(name, None, f"it is a {kind}")
        with translated():
            documents = await database[name].find().sort(KEY, -1).limit(SAMPLE).to_list()
        try:
            return Found(name, model_of(name, documents))
        except ConfigurationError as error:
            return Found(name, None, str(error))

    async def shape(self) -> str:
        shapes = []
        for found in await self.reflect():
            fields = {} if found.model is None else found.model.model_fields  # type: ignore[attr-defined]
            shapes.append([found.name, *(f"{info.alias} {info.annotation}" for info in fields.values())])
        return hashlib.sha256(json.dumps(shapes).encode()).hexdigest()

    async def plan(self, tables: Sequence[str] = (), exclude: Sequence[str] = ()) -> Plan:
        sources = await self._sources(tables)
        async with self._opened() as database:
            there = await self._collections(database)
            with translated():
                known = await database.list_collection_names()
        own = [name for name in self._names.all if name not in known]
        lacking = [source.name for source in sources if not keeps_images(there[source.name])]
        additions = [*(f"the collection {name}" for name in own), *(f"images of {name}" for name in lacking)]
        script = [f"db.createCollection({json.dumps(name)})" for name in own]
        script += [
            f"db.runCommand({{collMod: {json.dumps(name)}, {IMAGES}: {{enabled: true}}}})" for name in lacking
        ]
        return Plan(tuple(additions), "\n".join(script))

    async def install(self, tables: Sequence[str] = (), exclude: Sequence[str] = ()) -> bool:
        is_lacking = bool((await self.plan(tables, exclude)).additions)
        sources = await self._sources(tables)
        async with self._opened() as database:
            await LogCollections(database, self._log).check_format()
            installation = Installation(database, self._log, lambda: time.time())
            await installation.secure(sources, creates=False, installs=True)
            await LogCollections(database, self._log).epoch()
        return is_lacking

    async def _sources(self, tables: Sequence[str]) -> list[DocumentSource]:
        found = await self.reflect(tables)
        if bad := [one for one in found if one.model is None and one.name in tables]:
            raise ConfigurationError(f"table: {bad[0].name} can't be live: {bad[0].reason}")
        return [describe(one.model, ()) for one in found if one.model is not None]

    async def uninstall(self) -> list[str]:
        async with self._opened() as database:
            with translated():
                known = await database.list_collection_names()
            dropped = [name for name in self._names.all if name in known]
            if dropped:
                await LogCollections(database, self._log).check_format()
                await Installation(database, self._log, lambda: time.time()).uninstall()
        return dropped

    async def new_epoch(self) -> str:
        async with self._opened() as database:
            with translated():
                if self._names.meta not in await database.list_collection_names():
                    raise ConfigurationError("there is no change log in this database")
            kept = LogCollections(database, self._log)
            await kept.check_format()
            return await kept.renew()

    async def examine(self, sources: Sequence[Source] | None = None) -> list[Finding]:
        wanted = None if sources is None else [source.name for source in sources]
        async with self._opened() as database:
            return await examine(database, self._names, await self._collections(database), wanted)

    async def changes(self, since: str | None = None, *, follow: bool = False) -> AsyncIterator[Change]:
        async with self._opened() as database:
            captured = [
                name for name, one in (await self._collections(database)).items() if keeps_images(one)
            ]
            async for change in entries(database, self._log, captured, since, follow):
                yield change


__all__ = ["MongoAdministration"]
