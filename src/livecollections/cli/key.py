"""The key of a user's inspectors, kept from one start to the next, so that a page that is open comes back by itself.

Two rules. Its file is its owner's alone, who runs this, or it is not believed. Where it can't be kept there is another
at each start: also where no folder is named for it, so that it never lands in a working directory.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import typer

from ..inspector import Key

NAME = "inspector-key"
OTHERS = 0o077
"""What others than its owner could do with a file."""


def kept_key() -> Key:
    """The one of whoever runs this; it is drawn when there is none."""
    path = Path(typer.get_app_dir("livecollections")) / NAME
    if not path.is_absolute():
        return Key()
    try:
        if not path.exists():
            _keep(path, Key())
        return Key(path.read_text("ascii").strip() if _is_own(path.stat()) else "")
    except (OSError, ValueError):
        return Key()


def _is_own(found: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or (found.st_uid == os.geteuid() and not found.st_mode & OTHERS)


def _keep(path: Path, key: Key) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = path.with_name(f"{NAME}.{os.getpid()}")
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key.text)
    try:
        with suppress(FileExistsError):  # another process was first
            os.link(written, path)
    finally:
        written.unlink()
