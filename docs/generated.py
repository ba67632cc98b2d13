"""What of the reference is written by the code: the command line, the headers of REST, and the fields of docstrings.

One rule: nothing here says anything of its own. It asks Typer, the OpenAPI document and the docstrings, so that a page
is never older than the code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from sphinx.application import Sphinx
from typer.cli import get_docs_for_click

from examples.todos import live
from livecollections.cli import cli

FIELD = re.compile(r"(?:^| {2,})(?=[a-z_]+(?:, [a-z_]+)*: )", re.M)
RAISES = re.compile(r"(?:^| +)(?=Raises )", re.M)


def command_line() -> str:
    """Each command with its arguments and options, as ``--help`` has them."""
    root = typer.main.get_command(cli)
    context = typer.Context(root, info_name=root.name)
    text = get_docs_for_click(obj=root, ctx=context, name=str(root.name))
    return text.partition("\n")[2].replace("```console\n$ ", "```text\n")


def headers() -> str:
    """What the OpenAPI document of a resource says of headers: those of requests, and those of answers."""
    asked: dict[str, str] = {}
    answered: dict[str, str] = {}
    for operation in _operations(live._openapi(None)):
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "header":
                asked.setdefault(parameter["name"], parameter["description"])
        for answer in operation["responses"].values():
            for name, header in answer.get("headers", {}).items():
                answered.setdefault(name, header["description"])
    return "\n\n".join(
        f"## {title}\n\n| Header | |\n|---|---|\n"
        + "\n".join(
            f"| `{name}` | {said.replace('|', chr(92) + '|')} |" for name, said in sorted(rows.items())
        )
        for title, rows in (("Of requests", asked), ("Of answers", answered))
    )


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (operation for operation in path.values() if isinstance(operation, dict))


def fields(docstring: str) -> str:
    """A docstring in which what it says of ``name: …`` stands in reStructuredText's fields."""
    return "\n\n".join(map(_fields, docstring.split("\n\n")))


def _fields(paragraph: str) -> str:
    if not re.match(r"[a-z_]+(, [a-z_]+)*: ", paragraph):
        return paragraph
    told, *raised = RAISES.split(paragraph)
    parts = [" ".join(part.split()) for part in FIELD.split(told) if part]
    listed = [f":param {part}" for part in parts]
    return "\n".join(listed) + "".join(f"\n\n{' '.join(part.split())}" for part in raised)


GENERATED = {"reference/cli": command_line, "reference/headers": headers}
"""The pages that are written by the code, below what their files say."""


def read_source(app: Sphinx, name: str, source: list[str]) -> None:
    """Sphinx has read a page: put the code's words below it."""
    if name in GENERATED:
        source[0] += "\n" + GENERATED[name]()


def read_docstring(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Autodoc has read a docstring: put its fields into the form that Sphinx knows."""
    lines[:] = fields("\n".join(lines)).splitlines()
