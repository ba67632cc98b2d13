"""Salesforce's form of positions: ``ext.replay``, with numbers in the messages' data.

A client that says ``ext: {"replay": true}`` in its handshake finds ``data.event.replayId`` in what it hears of
channels whose history is kept here, and asks with ``ext: {"replay": {channel: number}}`` to go on after it: -1
means only what is new, -2 all that is kept. A number that can't be told from is refused, in Salesforce's words.
Replies tell the number up to which the client has everything, so that one of a quiet channel never grows old.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..change import number
from . import message as messages
from .histories import Histories
from .session import Session

NEW, ALL = -1, -2


async def starts(histories: Histories, names: Iterable[str], asked: Any) -> dict[str, str]:
    """By channel, the seq after which it begins.

    Args:
        names: channels and patterns of a subscription; for what is asked of others its own message comes.
        asked: what the client says under ``ext.replay``.

    Raises:
        BayeuxError: 400, a number from which nothing can be told.
    """
    found: dict[str, str] = {}
    for name in names if isinstance(asked, dict) else ():
        wish = asked.get(name, NEW)
        if isinstance(wish, bool) or not isinstance(wish, int) or wish < ALL:
            raise messages.replay_invalid(wish)
        if wish != NEW:
            found |= await _starts(histories, name, wish)
    return found


async def _starts(histories: Histories, name: str, wish: int) -> dict[str, str]:
    kept = [keeper for _, keeper in histories.kept_under(name)]
    if not kept or (wish != ALL and not any(keeper.can_tell(keeper.seq(wish)) for keeper in kept)):
        raise messages.replay_invalid(wish)
    found = {}
    for channel in histories.known_under([name]):
        keeper = histories.keeper(channel)
        if keeper is None:
            continue
        since = keeper.oldest(channel) if wish == ALL else keeper.seq(wish)
        if await keeper.why_reset(channel, since) is not None:
            raise messages.replay_invalid(wish)
        found[channel] = since
    return found


def numbers(histories: Histories, session: Session, names: Iterable[str]) -> dict[str, int]:
    """By channel, the number up to which the session has been sent everything."""
    found = {}
    for name in names:
        keeper = histories.keeper(name)
        position = session.positions.get(name)
        if keeper is not None and position is not None:
            found[name] = number(keeper.position() if position.is_idle else position.sent)
    return found
