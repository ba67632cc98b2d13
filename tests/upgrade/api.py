"""The public API as text, a line for each name: what ``tests/upgrade/api.txt`` keeps, so that a change is noticed.

``python -m tests.upgrade.api`` writes the file. Public are the names of the packages below, what has no underscore
on them, the fixtures of pytest, and the commands with their options. Nothing else is.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

import livecollections
import livecollections.alembic
import livecollections.bayeux
import livecollections.testing
from livecollections.cli import cli
from livecollections.options import ResourceOptions
from livecollections.testing.plugin import FIXTURES

FILE = Path(__file__).with_name("api.txt")
SHOWN = {"Session": {"address", "attributes", "id", "is_local", "transport", "user"}}
"""Of classes that work inside, what they show to others."""
ALEMBIC = ("capture_off", "include_name", "include_object")
HEAD = "# The public API. `python -m tests.upgrade.api` writes this file; what users notice is named in CHANGELOG.md.\n"


def text() -> str:
    """The whole of it."""
    written: dict[str, Any] = ResourceOptions.__annotations__
    options = (
        f"option of a resource {name}: {kind.__forward_arg__}" for name, kind in sorted(written.items())
    )
    lines = [*packages(), *options, *(f"pytest fixture {name}" for name in sorted(FIXTURES)), *commands()]
    return HEAD + "\n".join(lines) + "\n"


def unnamed(before: str, now: str, told: str) -> list[str]:
    """What was public in an earlier version, is so no more or is otherwise, and is not named in a changelog's text.

    before, now: as ``text`` gives them.
    """
    words = set(re.findall(r"[\w-]+", told))
    gone = [line for line in before.splitlines() if line not in now.splitlines() and not line.startswith("#")]
    return [line for line in gone if not set(re.findall(r"[\w-]+", head_of(line))[-1:]) <= words]


def head_of(line: str) -> str:
    """The name in a line: what stands before its signature, its options and its type."""
    return re.split(r"\(| -> | is a |: | --", line)[0]


def packages() -> Iterator[str]:
    """Every public name of the packages."""
    for package in (livecollections, livecollections.bayeux, livecollections.testing):
        for name in package.__all__:
            if name != "__version__":
                yield from named(package, name)
    for name in ALEMBIC:
        yield from named(livecollections.alembic, name)


def named(package: ModuleType, name: str) -> Iterator[str]:
    """One name, and what is public on it."""
    value, spelled = getattr(package, name), f"{package.__name__}.{name}"
    if not inspect.isclass(value):
        yield f"{spelled}{signature(value)}"
        return
    bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
    is_called = "__init__" in vars(value) and not issubclass(value, Enum) and not is_protocol(value)
    is_called = is_called and name not in SHOWN
    yield f"{spelled}{signature(value) if is_called else ''}{f' is a {bases}' if bases else ''}"
    for attribute in sorted(public(value) & SHOWN.get(name, public(value))):
        yield f"{spelled}.{attribute}{member(inspect.getattr_static(value, attribute, None))}"


def public(value: type) -> set[str]:
    """What is public on a class, and defined by us."""
    ours = [base for base in value.__mro__ if base.__module__.startswith("livecollections")]
    found = {name for base in ours for name in vars(base)}
    if is_dataclass(value):
        found |= {field.name for field in fields(value)}
    return {name for name in found if not name.startswith(("_", "pytest"))}


def is_protocol(value: type) -> bool:
    """Whether a class only says what others have."""
    return bool(getattr(value, "_is_protocol", False))


def member(value: Any) -> str:
    """How a member is used."""
    if isinstance(value, property):
        return f" -> {value.fget.__annotations__.get('return')}"
    if isinstance(value, classmethod | staticmethod):
        return signature(value.__func__)
    return signature(value) if inspect.isroutine(value) else ""


def signature(value: Any) -> str:
    """Its parameters, as they are written. Where values of defaults stand in memory is nobody's business."""
    told = re.sub(r" at 0x[0-9a-f]+", "", str(inspect.signature(value)))
    return re.sub(r"""(: |-> )(['"])(.*?)\2""", r"\1\3", told)


def commands() -> Iterator[str]:
    """Every command, with its arguments and options."""
    group: Any = typer.main.get_command(cli)
    for name, command in sorted(group.commands.items()):
        yield f"livecollections {name} {' '.join(sorted(options(command)))}".rstrip()


def options(command: Any) -> Iterator[str]:
    """Arguments in capitals, options as they are typed."""
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            yield str(parameter.name).upper()
        else:
            yield "|".join((*parameter.opts, *parameter.secondary_opts))


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
