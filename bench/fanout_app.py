"""The Bayeux server that ``bench.fanout`` measures: everything open, nothing else."""

from __future__ import annotations

from typing import Any

from livecollections.bayeux import Policy, Server, Session


class Open(Policy):
    """Whoever asks may."""

    async def can_subscribe(self, session: Session, channel: str) -> bool:
        return True

    async def can_publish(self, session: Session | None, channel: str, data: Any) -> bool:
        return True


app = Server(timeout=60, policy=Open())
