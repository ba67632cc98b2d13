"""The command that looks at everything, and says of each thing that it is well, or what is to be done."""

from __future__ import annotations

import asyncio
import platform
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import LiveError
from ..version import __version__
from .target import lives_of, load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..stores.administration import Finding

FILES = 4_096
"""Open files that a process should be allowed: each socket of a browser is one."""
PROGRAMS = ("uvicorn", "starlette", "pydantic", "sqlalchemy", "asyncpg", "pymongo")
"""Packages whose versions are told where they are installed."""


def doctor(
    target: Annotated[
        str,
        typer.Argument(
            metavar="DATABASE_URL|MODULE:ATTR", help="A database, or an application with its own."
        ),
    ],
) -> None:
    """Look at a database and this machine, change nothing, and say what is to be done."""
    findings = [versions(), open_files(), *asyncio.run(examined(target))]
    for found in findings:
        print(f"{'to do' if found.advice else 'ok   '}  {found.subject}: {found.told}", end="")
        print(f": {found.advice}" if found.advice else "")
    raise SystemExit(1 if any(found.advice for found in findings) else 0)


async def examined(target: str) -> list[Finding]:
    """What is found in the databases; one that can't be opened is a finding, too."""
    from .. import live
    from ..stores.administration import Finding
    from ..stores.administrations import administration_of

    if "://" in target:
        looks: list[Callable[[], Awaitable[list[Finding]]]] = [administration_of(target).examine]
    else:
        looks = [partial(live.examine, one) for one in lives_of(load(target)[1])]
    if not looks:
        return [Finding("application", f"{target} serves no Live", "name one that does")]
    findings = []
    for look in looks:
        try:
            findings += await look()
        except LiveError as error:
            findings.append(Finding("database", str(error), "check the URL, and that it can be reached"))
    return findings


def versions() -> Finding:
    """What runs here."""
    from ..stores.administration import Finding

    found = [f"livecollections {__version__}", f"Python {platform.python_version()}"]
    for name in PROGRAMS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return Finding("versions", ", ".join(found))


def open_files() -> Finding:
    """How many files, and so sockets, a process may have open."""
    from ..stores.administration import Finding

    try:
        import resource
    except ImportError:
        return Finding("open files", "this system has no such limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return Finding("open files", "no limit")
    advice = (
        "" if soft >= FILES else "raise it: LimitNOFILE=65536 in a systemd unit, ulimit -n 65536 in a shell"
    )
    most = "no limit" if hard == resource.RLIM_INFINITY else f"{hard:,}"
    return Finding("open files", f"{soft:,} (at most {most})", advice)
