"""Options by the environment: each of a command that serves is also a variable, ``LIVECOLLECTIONS_<OPTION>``.

Three rules. What stands on the command line comes before a variable. Where an option may be repeated, its values stand
in one variable as in a shell: with spaces between them, and in quotes where one has a space. Asking for help is no
option of what is served, and has no variable.
"""

from __future__ import annotations

import os
import shlex
from typing import Any

import typer
from typer.core import TyperCommand

BY_ENVIRONMENT = {"auto_envvar_prefix": "LIVECOLLECTIONS"}
"""The settings of such a command."""


class ServingCommand(TyperCommand):
    """A command that serves, and reads variables."""

    def get_help_option(self, ctx: Any) -> Any:
        """``--help``, which is asked for at the keyboard only."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.allow_from_autoenv = False
        return option

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line and the variables."""
        rest = super().parse_args(ctx, args)
        for option in self.params:
            name = variable_of(ctx, option) if getattr(option, "multiple", False) else None
            if name is not None:
                ctx.params[option.name] = _values(ctx, option, os.environ[name])
        return rest


def _values(context: Any, option: Any, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text}: {error}", ctx=context, param=option) from None


def variable_of(context: Any, option: Any) -> str | None:
    """The variable from which an option has its value; None where it has it from elsewhere."""
    source = context.get_parameter_source(option.name)
    if source is None or source.name != "ENVIRONMENT":
        return None
    return f"{context.auto_envvar_prefix}_{option.name.upper()}"
