"""The commands that serve: the demo, an application of yours, tables of a database."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from .keyboard import agree, fail
from .logs import Level, configure
from .options import DatabaseURL, Host, Inspector, LogJSON, LogLevel, Metrics, Port
from .server import Running, measure, serve, supervise
from .target import load, rehearse


def demo(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    database: Annotated[str, typer.Option(help="The database's URL.")] = "sqlite:///todos.db",
    metrics: Metrics = False,
    inspector: Inspector = True,
    log_level: LogLevel = Level.WARNING,
    log_json: LogJSON = False,
) -> None:
    """Serve TodoMVC over live collections, with its page at /."""
    from ..demo import create_app

    configure(log_level, log_json)
    serve(create_app(database, metrics=metrics), host, port, log_level, inspector)


def run(
    target: Annotated[str, typer.Argument(metavar="MODULE:ATTR", help="An ASGI application or a Live.")],
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Annotated[int, typer.Option(min=1, help="The number of processes.")] = 1,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when a source file changes.")] = False,
    metrics: Metrics = False,
    inspector: Inspector = True,
    log_level: LogLevel = Level.INFO,
    log_json: LogJSON = False,
) -> None:
    """Serve an application of yours."""
    configure(log_level, log_json)
    path, app = load(target)
    if workers > 1 and reload:
        fail("--workers and --reload exclude each other")
    if metrics:
        measure(app)
    if workers > 1:
        rehearse(app, workers)
    if workers > 1 or reload:
        supervise(Running(path, host, port, workers, reload, metrics, inspector, log_level, log_json), app)
    else:
        serve(app, host, port, log_level, inspector)


def serve_tables(
    database_url: DatabaseURL,
    table: Annotated[list[str] | None, typer.Option(help="A table to serve (may be repeated).")] = None,
    all_tables: Annotated[bool, typer.Option("--all-tables", help="Serve all that can be.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Let documents be written, too.")] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE.COLUMN", help="Show a column that is named like a secret (may be repeated)."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="TABLE.COLUMN", help="Leave a column out (may be repeated).")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Install what is missing, and do not ask.")
    ] = False,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token: Annotated[str | None, typer.Option(help="Asked of whoever comes in.")] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Let others in without a token, beyond loopback.")
    ] = False,
    metrics: Metrics = False,
    inspector: Inspector = True,
    log_level: LogLevel = Level.WARNING,
    log_json: LogJSON = False,
) -> None:
    """Serve tables of a database that exists, with no code: REST, push, /docs and /live."""
    from ..gate import Gate, Token, is_loopback
    from ..sidecar import Sidecar
    from ..stores.administrations import administration_of
    from ..stores.choice import open_store
    from ..survey import Survey, Wishes, told

    configure(log_level, log_json)
    if bool(table) == all_tables:
        fail("name what is to be served: --table NAME, which may be repeated, or --all-tables")
    is_local = token is None and not public
    if is_local and not is_loopback(host):
        fail(f"{host} is beyond loopback: say who may come in, by --token or by --public")
    asked = None if token is None else Token(token)
    administration = administration_of(database_url)
    survey = Survey(administration, open_store(database_url))
    wishes = Wishes(table or (), include or (), exclude or (), write)
    choice = asyncio.run(survey.choose(wishes))
    print(*told(administration.database, choice), sep="\n", flush=True)
    if choice.plan.additions and not yes:
        agree("Install that?", "nothing was installed: --yes says that it may be")
    sidecar = Sidecar(
        database_url,
        administration,
        survey,
        choice,
        wishes,
        asked,
        metrics=metrics,
    )
    serve(Gate(sidecar, asked, is_local), host, port, log_level, inspector)
