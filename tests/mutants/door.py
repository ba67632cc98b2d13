"""The door: plays histories from a seed until one goes wrong, and writes one line of JSON.

``histories``: how many were played, that one too.  ``failure``: what the oracle said of it, or null.
``crash``: what else went wrong there: an error that no oracle raised.

Exit status: 0 where all went well, 1 for a failure, 2 for a crash, the wrong package, or a module that can't be
imported.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import json
import logging
import sys
from pathlib import Path
from typing import Any

import livecollections

from .hunters import HUNTERS, Hunter, Play

PACKAGE = Path(str(livecollections.__file__)).parent


def play_one(play: Play, seed: int, patience: float) -> None:
    """Play a history to its end, on a loop of its own if it wants one."""
    if not inspect.iscoroutinefunction(play):
        play(seed)
        return

    async def patiently() -> None:
        async with asyncio.timeout(patience):
            await play(seed)

    asyncio.run(patiently())


def is_of_the_product(error: BaseException) -> bool:
    """Whether it is an assertion of the product's own: that is a crash, not an oracle's word."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and Path(trace.tb_frame.f_code.co_filename).is_relative_to(PACKAGE)


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def play_all(hunter: Hunter, seed: int, histories: int) -> dict[str, Any]:
    """Play until one goes wrong."""
    assert hunter.play is not None
    for number in range(1, histories + 1):
        said: dict[str, Any] = {"histories": number, "failure": None, "crash": None}
        try:
            play_one(hunter.play, seed + number - 1, hunter.patience)
        except TimeoutError as error:
            return {**said, "failure": f"it never comes to its end {error}".rstrip()}
        except AssertionError as error:
            is_crash = is_of_the_product(error)
            return {**said, "crash" if is_crash else "failure": first_line(error)}
        except Exception as error:
            return {**said, "crash": f"{type(error).__name__}: {first_line(error)}"}
    return {"histories": histories, "failure": None, "crash": None}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("hunter", choices=[name for name, each in HUNTERS.items() if each.play is not None])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--histories", type=int, default=100)
    parser.add_argument("--package", type=Path, default=PACKAGE, help="the package that must be hunted in")
    parser.add_argument("--module", action="append", default=[], help="one that must be importable")
    given = parser.parse_args()
    if not PACKAGE.samefile(given.package):
        print(f"this is {PACKAGE}, not {given.package}", file=sys.stderr)
        return 2
    for module in given.module:
        try:
            importlib.import_module(module)
        except Exception as error:
            print(f"{module} can't be imported: {error!r}", file=sys.stderr)
            return 2
    logging.disable()
    said = play_all(HUNTERS[given.hunter], given.seed, given.histories)
    print(json.dumps(said))
    return 2 if said["crash"] else 1 if said["failure"] else 0


if __name__ == "__main__":
    sys.exit(main())
