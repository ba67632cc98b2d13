"""Settings: what an application declares for a channel, or for all that a pattern covers.

Two rules. Each setting is decided by the most exact declaration that says something about it: the channel's own
name, then ``/*`` beside it, then ``/**`` from the nearest parent up to the root. A declaration says only what
it names, so the rest still comes from wider ones.

This module knows no session and no message; the exchange acts on what it says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from ..errors import ConfigurationError
from . import channel as channels
from .history import Keeper

KEPT = 4_096
"""Channels whose settings are remembered; clients name as many channels as they like."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds on one channel.

    history: keeps what was said; or how many messages to keep in memory; 0: none.
    lazy: seconds for which a message may wait for company on its way to a client.
    echo: whether a client hears what it published itself.
    """

    history: Keeper | int = 0
    lazy: float = 0.0
    echo: bool = True


PLAIN = Settings()
"""Where nothing is declared."""


class Declarations:
    """The settings that were declared, by name and pattern."""

    def __init__(self) -> None:
        self._declared: dict[str, dict[str, Any]] = {}
        self._found: dict[str, Settings] = {}

    def __bool__(self) -> bool:
        return bool(self._declared)

    def declare(self, channel: str, **settings: Any) -> None:
        """Say what holds on a channel or pattern; None says nothing.

        What was said before of the same name is kept where this says nothing.

        Raises:
            ConfigurationError: the name is not a channel's, or a setting is wrong.
        """
        if not isinstance(channel, str) or not channels.is_valid(channel) or channels.is_meta(channel):
            raise ConfigurationError(
                f"channel: a name or pattern such as '/chat/*' is expected, not {channel!r}"
            )
        said = {name: value for name, value in settings.items() if value is not None}
        for name, value in said.items():
            _CHECKS[name](value)
        self._declared[channel] = {**self._declared.get(channel, {}), **said}
        self._found.clear()

    def of(self, channel: str) -> Settings:
        """What holds on the channel of this name."""
        found = self._found.get(channel)
        if found is None:
            found = PLAIN
            for name in reversed(channels.expand(channel)):
                if name in self._declared:
                    found = replace(found, **self._declared[name])
            if len(self._found) >= KEPT:
                self._found.clear()
            self._found[channel] = found
        return found


def _check_history(value: Any) -> None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not is_count and not all(
        callable(getattr(value, name, None)) for name in ("keep", "position", "why_reset", "read")
    ):
        raise ConfigurationError(
            f"history: a MemoryHistory or a number of messages is expected, not {value!r}"
        )


def _check_lazy(value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or value < 0:
        raise ConfigurationError(f"lazy: seconds are expected, a number from 0, not {value!r}")


def _check_echo(value: Any) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"echo: True or False is expected, not {value!r}")


_CHECKS = {"history": _check_history, "lazy": _check_lazy, "echo": _check_echo}
assert _CHECKS.keys() == {field.name for field in fields(Settings)}
