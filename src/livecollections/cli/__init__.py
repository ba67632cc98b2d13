"""The command line: the demo, serving, and what a database administrator needs.

Two rules. What the person at the keyboard can set right is one line on stderr and exit status 2, never a
traceback. Nothing is imported before the command that needs it runs, so that ``--help`` is quick.

It knows no protocol and no SQL. A command is a function in one of the modules beside this one; it is named here. Each
option of those that serve is also a variable of the environment.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from ..errors import LiveError
from ..version import __version__
from .checkup import doctor
from .database import install, new_epoch, uninstall
from .entries import log
from .keyboard import fail
from .messages import publish, tail
from .serving import demo, run, serve_tables
from .target import openapi

USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""What Typer raises for all wrong arguments; it has no public name there."""
BY_ENVIRONMENT = {"auto_envvar_prefix": "LIVECOLLECTIONS"}
"""Has each option be a variable too: ``LIVECOLLECTIONS_<OPTION>``."""

cli = typer.Typer(
    name="livecollections",
    help="Collections that stay live: REST, a durable change log and Bayeux push.",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line."""
    try:
        raise SystemExit(cli(sys.argv[1:] or ["--help"], standalone_mode=False))
    except LiveError as error:
        fail(str(error))
    except typer.Abort:
        raise SystemExit(1) from None
    except Exception as error:
        if not isinstance(error, USAGE_ERROR):
            raise
        fail(f"{error.format_message()}{_where_from(error)}")


def _where_from(error: Any) -> str:
    """Which variable of the environment gave a value that is wrong, if one did."""
    context, parameter = error.ctx, getattr(error, "param", None)
    if context is None or parameter is None:
        return ""
    source = context.get_parameter_source(parameter.name)
    if source is None or source.name != "ENVIRONMENT":
        return ""
    return f" (from {context.auto_envvar_prefix}_{parameter.name.upper()})"


def _version(wanted: bool) -> None:
    if wanted:
        print(f"livecollections {__version__}")
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


cli.command(context_settings=BY_ENVIRONMENT)(demo)
cli.command(context_settings=BY_ENVIRONMENT)(run)
cli.command("serve", context_settings=BY_ENVIRONMENT)(serve_tables)
for command in (install, uninstall, new_epoch, doctor, log, openapi, tail, publish):
    cli.command()(command)
