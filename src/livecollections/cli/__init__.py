"""The command line: the demo, serving, and what a database administrator needs.

Two rules. What the person at the keyboard can set right is one line on stderr and exit status 2, never a
traceback; with ``--log-json`` it is an object, and so is what nobody has foreseen. Nothing is imported before the
command that needs it runs, so that ``--help`` is quick.

It knows no protocol and no SQL. A command is a function in one of the modules beside this one; it is named here.
"""

from __future__ import annotations

import sys
from typing import Annotated, Any, NoReturn

import typer

from ..version import __version__
from .checkup import doctor
from .database import install, new_epoch, uninstall
from .entries import log
from .keyboard import ending, fail
from .logs import Level, configure
from .messages import publish, tail
from .serving import demo, run, serve_tables
from .target import openapi
from .variables import BY_ENVIRONMENT, ServingCommand, variable_of

USAGE_ERROR: Any = typer.BadParameter.__mro__[1]
"""What Typer raises for all wrong arguments; it has no public name there."""
ON = ("1", "true", "t", "yes", "y", "on")
"""By what a variable puts a switch on."""

cli = typer.Typer(
    name="livecollections",
    help="Collections that stay live: REST, a durable change log and Bayeux push.",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line."""
    with ending():
        try:
            raise SystemExit(cli(sys.argv[1:] or ["--help"], standalone_mode=False))
        except typer.Abort:
            raise SystemExit(1) from None
        except USAGE_ERROR as error:
            _refuse(error)


def _refuse(error: Any) -> NoReturn:
    """Say what is wrong with the arguments, and from which variable it comes, if from one."""
    if _asks_for_json(error.ctx):
        configure(Level.ERROR, as_json=True)
    option = getattr(error, "param", None)
    variable = None if error.ctx is None or option is None else variable_of(error.ctx, option)
    fail(f"{error.format_message()} (from {variable})" if variable else error.format_message())


def _asks_for_json(context: Any) -> bool:
    """Whether ``--log-json`` is given, as far as that can be told of arguments that are wrong."""
    options = [] if context is None else context.command.params
    for option in options:
        if option.name == "log_json":
            text = option.value_from_envvar(context)
            return "--log-json" in sys.argv or str(text).lower() in ON
    return False


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


cli.command(cls=ServingCommand, context_settings=BY_ENVIRONMENT)(demo)
cli.command(cls=ServingCommand, context_settings=BY_ENVIRONMENT)(run)
cli.command("serve", cls=ServingCommand, context_settings=BY_ENVIRONMENT)(serve_tables)
for command in (install, uninstall, new_epoch, doctor, log, openapi, tail, publish):
    cli.command()(command)
