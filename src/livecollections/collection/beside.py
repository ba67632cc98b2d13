"""Beside: another channel that tells of what a list shows, such as documents in its documents.

One rule. Whatever comes there after the list, or may have been missed, says that the list is to be read again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ..bayeux.client import Client
from ..bayeux.delivery import Delivery
from ..change import is_foreign, is_older
from ..errors import LiveError


class Beside:
    """One such channel, as its listener, from when it is made until it is cancelled.

    position: of the list.  changed: called where there is news.  turned: called when ``is_confirmed`` or ``refusal``
    may be another.  refusal: why there is no subscription, and won't be.
    """

    def __init__(
        self,
        client: Client,
        channel: str,
        position: str | None,
        changed: Callable[[], None],
        turned: Callable[[], None],
    ) -> None:
        self.refusal: LiveError | None = None
        self._channel = channel
        self._position = position
        self._changed = changed
        self._turned = turned
        self._has_news = False
        self._hearing = client.listen(channel, self)

    @property
    def is_confirmed(self) -> bool:
        """Whether the server has confirmed it in the session that lives now."""
        return self._hearing.confirmed

    def pass_on(self, position: str | None) -> None:
        """A newer list, of this place, holds all that came until then."""
        if is_older(self._position, position):
            self._position = position

    def cancel(self) -> None:
        """Hear no more."""
        self._hearing.cancel()

    # What the client tells, as to any listener

    def since(self) -> Mapping[str, str]:
        """Up to where nothing is news."""
        return {} if self._position is None else {self._channel: self._position}

    def began(self, start: Mapping[str, str], resets: Collection[str]) -> None:
        """The stream is confirmed."""
        self.refusal = None
        self._told(start.get(self._channel), is_reset=self._channel in resets)
        self.settled()

    def heard(self, delivery: Delivery) -> bool:
        """A message has come; ``settled`` follows."""
        self._told(delivery.data.get("seq") if isinstance(delivery.data, dict) else None)
        return False

    def behind(self, channel: str, last: str) -> bool:
        """The server has sent more than has come."""
        self._told(last)
        self.settled()
        return False

    def refused(self, error: LiveError) -> None:
        """There is no subscription, and won't be; a list that is asked for now may name it no more."""
        self.refusal = error
        self._changed()
        self._turned()

    def lost(self) -> None:
        """The way is cut."""
        self._turned()

    def settled(self) -> None:
        """What came together has been told."""
        has_news, self._has_news = self._has_news, False
        if has_news:
            self._changed()
        self._turned()

    def _told(self, seq: str | None, *, is_reset: bool = False) -> None:
        if seq is None:
            return
        if is_reset or is_foreign(seq, self._position) or is_older(self._position, seq):
            self._position, self._has_news = seq, True
