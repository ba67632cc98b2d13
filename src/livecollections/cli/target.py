"""MODULE:ATTR: an application on the command line, and the Live in it; the command that describes it."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .keyboard import fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..live import Live


def openapi(
    target: Annotated[str, typer.Argument(metavar="MODULE:ATTR", help="An ASGI application or a Live.")],
    release: Annotated[
        str | None,
        typer.Option(metavar="RANGE", help="A release of the API; the newest, if none is named."),
    ] = None,
) -> None:
    """Print the OpenAPI document of an application; no database is opened."""
    _, app = load(target)
    lives = list(lives_of(app))
    if not lives:
        fail(f"{target} serves no Live")
    # FastAPI's own document has our resources in it.
    described = app.openapi() if hasattr(app, "openapi") and release is None else lives[0]._openapi(release)
    print(json.dumps(described, indent=2))


def load(target: str) -> tuple[str, Any]:
    """The application that MODULE:ATTR names, and the path by which another process finds it too."""
    module_name, _, attribute = target.partition(":")
    if not module_name or not attribute:
        fail(f"{target} is not of the form MODULE:ATTR, such as shop:app")
    sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        fail(f"there is no module {error.name} in {os.getcwd()} or among the installed ones")
    for part in attribute.split("."):
        if not hasattr(found, part):
            fail(f"module {module_name} has no attribute {attribute}")
        found = getattr(found, part)
    if is_live(found):
        return f"{target}.app", found.app
    if not callable(found):
        fail(f"{target} is a {type(found).__name__}: neither an ASGI application nor a Live")
    return target, found


def rehearse(app: Any, workers: int) -> None:
    """Find out, before there are workers, what would stop each of them."""
    from .. import live

    for found in lives_of(app):
        asyncio.run(live.rehearse(found, workers))


def lives_of(app: Any) -> Iterator[Live[Any]]:
    """Each Live that an application serves itself.

    One in an application that is mounted in it, or that something else is put around, is not found: whoever needs it
    says so, with the option of ``Live`` that does without.
    """
    from ..application import LiveRoute
    from ..lifespan import Wrapped
    from ..live import Live

    for part in (app, *getattr(app, "routes", ())):
        if isinstance(part, LiveRoute | Wrapped) and isinstance(part.live, Live):
            yield part.live


def is_live(found: Any) -> bool:
    """Whether it is a Live, of which the application is an attribute."""
    from ..live import Live

    return isinstance(found, Live)
