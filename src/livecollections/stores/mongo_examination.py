"""Looks at a database of MongoDB: what is fine, and what is to be done. It only reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pymongo.errors import OperationFailure

from .administration import Finding
from .mongo_connection import Database, translated
from .mongo_events import Names
from .mongo_install import keeps_images
from .mongo_replay import now, oldest, oplog_size
from .sql_examination import INSTALL, span

OLDEST = 6
"""The first that keeps images of what is changed."""


async def examine(
    database: Database, names: Names, listed: Mapping[str, Mapping[str, Any]], wanted: Collection[str] | None
) -> list[Finding]:
    """How it is.

    listed: the collections that others made.  wanted: those that must be captured; None: those that are.
    """
    with translated():
        version = (await database.client.server_info())["version"]
        there = await database.list_collection_names()
    advice = "" if int(version.partition(".")[0]) >= OLDEST else "6.0 or newer is needed: upgrade it"
    lacking = [name for name in names.all if name not in there]
    return [
        Finding("MongoDB", f"{version}, a replica set", advice),
        Finding("log", f"{', '.join(lacking)} are not there", INSTALL)
        if lacking
        else Finding("log", "its collections are there"),
        *_images(listed, wanted),
        await _oplog(database),
        Finding("wake-up", "by the change stream of the database"),
    ]


def _images(listed: Mapping[str, Mapping[str, Any]], wanted: Collection[str] | None) -> list[Finding]:
    kept = [name for name, one in listed.items() if keeps_images(one)]
    lacking = [name for name in wanted or () if name in listed and name not in kept]
    if lacking:
        return [Finding("images", f"{name}: they are not kept", INSTALL) for name in lacking]
    if not kept and wanted is None:
        return [Finding("images", "nothing is captured", INSTALL)]
    return [Finding("images", f"kept of {', '.join(sorted(kept if wanted is None else wanted))}")]


async def _oplog(database: Database) -> Finding:
    """How far back the log goes: the oplog is it."""
    try:
        first = await oldest(database)
    except OperationFailure:
        first = None
    if first is None:
        return Finding("retention", "the oplog's, which this user may not read")
    seconds = (await now(database)).time - first.time
    size = await oplog_size(database)
    told = "" if size is None else f" and has {size / 2**20:,.1f} MiB"
    return Finding("retention", f"the oplog's, which begins {span(seconds)} ago{told}")
