"""The commands for a database: install the log, remove it, begin a new epoch of it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from .keyboard import agree
from .options import DatabaseURL


def install(
    database_url: DatabaseURL,
    sql: Annotated[bool, typer.Option("--sql", help="Print the statements and run none.")] = False,
    table: Annotated[
        list[str] | None, typer.Option(help="A table to capture (may be repeated); all, if none is named.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="TABLE.COLUMN", help="A column that the log must not keep (may be repeated)."),
    ] = None,
) -> None:
    """Install the change log and its triggers."""
    from ..stores.administrations import administration_of

    administration = administration_of(database_url)
    if sql:
        print(asyncio.run(administration.plan(table or [], exclude or [])).script)
    elif asyncio.run(administration.install(table or [], exclude or [])):
        print("installed")
    else:
        print("nothing to do: it is installed already")


def uninstall(
    database_url: DatabaseURL,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove every trace of livecollections from a database: triggers, and the log with all its changes."""
    from ..stores.administrations import administration_of

    administration = administration_of(database_url)
    if not yes:
        question = f"Remove the change log and all triggers from {administration.database}?"
        agree(question, "nothing was removed: --yes says that it may be")
    asyncio.run(administration.uninstall())
    print("removed")


def new_epoch(database_url: DatabaseURL) -> None:
    """Begin a new epoch of the log, after a restore from a backup: every receiver then reads again."""
    from ..stores.administrations import administration_of

    print(asyncio.run(administration_of(database_url).new_epoch()))
