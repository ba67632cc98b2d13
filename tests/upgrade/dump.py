"""Writes what is kept of a version: databases that its library has written to, as text, and what its clients knew.

``make release-dump`` writes it of the present version into ``tests/upgrade/dumps/<version>``, as every release does.
Another name, and PYTHONPATH set to another state's source before this one, keep what that library writes::

    PYTHONPATH=OLD/src python -m tests.upgrade.dump NAME sqlite postgres mongo
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from bson import json_util

from livecollections.version import __version__
from tests.mongo.server import client, database_url
from tests.postgres.server import execute, program, server

from .shop import STRANGER, Shop

DUMPS = Path(__file__).parent / "dumps"
BY_HAND = (
    "INSERT INTO product (name, price, stock, note) "
    f"VALUES ({', '.join(repr(STRANGER[name]) for name in ('name', 'price', 'stock', 'note'))})"
)


async def played(url: str) -> list[dict[str, Any]]:
    """What clients were told; the durable listener has heard at least some of it."""
    shop = Shop(url)
    shop.listen()
    async with shop.live:
        told = await shop.play()
        async with asyncio.timeout(10):
            while not shop.heard:  # noqa: ASYNC110  # of any version, so by nothing but what all have
                await asyncio.sleep(0.02)
    return told


def sqlite() -> tuple[str, list[dict[str, Any]]]:
    """A file, as SQL."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "shop.db"
        told = asyncio.run(played(f"sqlite:///{path}"))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(BY_HAND)
            connection.commit()
            return "\n".join(connection.iterdump()) + "\n", told


def postgresql() -> tuple[str, list[dict[str, Any]]]:
    """A database, as SQL that needs no ``psql``."""
    with server() as running:
        url = running.database()
        told = asyncio.run(played(url))
        execute(url, BY_HAND)
        postgres = program("postgres")
        assert postgres
        dumping = [str(postgres.with_name("pg_dump")), "--inserts", "--no-owner", "--no-privileges", url]
        text = subprocess.run(dumping, capture_output=True, text=True, timeout=60, check=True).stdout
    # Comments, commands of psql and settings that older servers do not know; the rest names each schema itself.
    kept = (line for line in text.splitlines() if line and not line.startswith(("--", "\\", "SET ")))
    return "\n".join(kept) + "\n", told


def mongo() -> tuple[str, list[dict[str, Any]]]:
    """A database, as Extended JSON: of each collection its options and its documents."""
    url = database_url()
    told = asyncio.run(played(url))
    with client(url) as connected:
        database = connected.get_default_database()
        database["product"].insert_one(
            {("_id" if name == "id" else name): each for name, each in STRANGER.items()}
        )
        kept = {
            found["name"]: {
                "options": found.get("options", {}),
                "documents": list(database[found["name"]].find()),
            }
            for found in sorted(database.list_collections(), key=lambda one: str(one["name"]))
        }
        connected.drop_database(database.name)
    return json_util.dumps(kept, json_options=json_util.CANONICAL_JSON_OPTIONS, indent=1) + "\n", told


KINDS = {"sqlite": (sqlite, "sql"), "postgres": (postgresql, "sql"), "mongo": (mongo, "json")}


def main(name: str = __version__, *kinds: str) -> None:
    """Write the files of some databases; or of all, and the public API."""
    folder = DUMPS / name
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds or KINDS:
        dump, suffix = KINDS[kind]
        text, told = dump()
        (folder / f"{kind}.{suffix}").write_text(text, "utf-8")
        (folder / f"{kind}.told.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        print(f"{folder / kind}.{suffix}: {len(told)} changes")
    if not kinds:
        from .api import text as public

        (folder / "api.txt").write_text(public(), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
