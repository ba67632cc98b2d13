"""The command that prints the log of a database: lines to read, or one JSON object a line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .keyboard import attend
from .options import DatabaseURL

if TYPE_CHECKING:
    from ..change import Change


def log(
    database_url: DatabaseURL,
    since: Annotated[
        str | None,
        typer.Option(metavar="SEQ", help="Begin after this seq; with the oldest, if none is given."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, for pipes.")] = False,
) -> None:
    """Print the log of a database: each change, in order."""
    attend(show(database_url, since, follow, as_object if as_json else as_line))


async def show(url: str, since: str | None, follow: bool, form: Callable[[Change], str]) -> None:
    """Print the entries of a log."""
    from ..stores.administrations import administration_of
    from ..terminal import plain

    async for change in administration_of(url).changes(since, follow=follow):
        print(plain(form(change)), flush=True)


def as_line(change: Change) -> str:
    """An entry to read: when, its seq, what was done to what, and how that is now, or was last."""
    time = datetime.fromtimestamp(change.at).strftime("%Y-%m-%d %H:%M:%S")
    told = [time, change.seq, change.source, f"{change.method:<6}"]
    if change.cause is not None:
        told.append(change.cause.value)
    else:
        row = change.before if change.after is None else change.after
        told += [",".join(map(_text, change.key)), _json(row)]
    return "  ".join([*told, *([f"origin={change.origin}"] if change.origin else [])])


def as_object(change: Change) -> str:
    """An entry for a program."""
    told = {
        "seq": change.seq,
        "at": datetime.fromtimestamp(change.at, UTC).isoformat(timespec="milliseconds"),
        "source": change.source,
        "method": change.method,
        "key": list(change.key),
        "before": change.before,
        "after": change.after,
        "origin": change.origin,
    }
    return _json(told if change.cause is None else {**told, "cause": change.cause.value})


def _json(value: Any) -> str:
    import orjson

    return orjson.dumps(value, default=_text).decode()


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
