"""The programs in C: compiled when they are asked for, and again when their source has changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).parent / "native"
BUILT = Path(sys.prefix) / "bench"
PROGRAMS = {
    "load": ("load.c", "connection.c", "websocket.c", "dialogue.c", "round.c", "chat.c"),
    "sender": ("sender.c",),
    "write": ("write.c",),
}
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra")


def program(name: str) -> str:
    """The path of a program, built if need be.

    Raises:
        RuntimeError: it can't be compiled; with the compiler's words.
    """
    sources = [SOURCES / source for source in PROGRAMS[name]]
    built = BUILT / name
    newest = max(path.stat().st_mtime for path in (*sources, *SOURCES.glob("*.h")))
    if not built.exists() or built.stat().st_mtime < newest:
        BUILT.mkdir(exist_ok=True)
        made = subprocess.run(
            ["gcc", *FLAGS, "-o", str(built), *map(str, sources)], capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise RuntimeError(made.stderr)
    return str(built)
