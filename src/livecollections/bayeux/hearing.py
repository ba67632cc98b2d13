"""Hearing: one listener's part in what a client hears, as its owner holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .interest import Interest, Listener
    from .protocol import Machine


class Hearing:
    """One listener's part in what is subscribed to: set it back, or end it.

    Made by ``Client.listen``.
    """

    def __init__(self, machine: Machine, interest: Interest, listener: Listener) -> None:
        self._machine = machine
        self._interest = interest
        self._listener = listener

    @property
    def confirmed(self) -> bool:
        """Whether the server has confirmed it in the session that lives now."""
        return self._machine.is_confirmed(self._interest)

    def resume(self) -> None:
        """Hear again everything after the listener's ``since()``."""
        self._machine.set_back(self._interest)

    def cancel(self) -> None:
        """Hear no more; the last listener of a name ends the server's subscription."""
        self._machine.cancel(self._interest, self._listener)
