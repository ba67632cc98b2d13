"""Access: who may open the inspector.

Three rules. Where nothing is said only a developer may: whoever asks on this machine, by its own name and through no
proxy, a process that the command line serves there. What ``Live(inspector=...)`` says holds everywhere, also there. A
rule that raises says no.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection
from starlette.types import Scope

from ..errors import DocumentNotFound
from ..gate import is_loopback, named_host
from ..policy import Policy, check_rule
from ..rest.caller import Caller
from ..view import refused

CLOSED = (
    "the inspector is closed here: it is open where `livecollections run` or `demo` serves on this machine; elsewhere "
    "`Live(inspector=...)` says for whom"
)
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""What a proxy adds to the requests of others."""


class Access:
    """Who may look.

    rule: as ``Live(inspector=...)`` takes it.
    Raises ConfigurationError for one that is none.
    """

    def __init__(self, rule: Any, caller: Caller) -> None:
        if rule is not None:
            check_rule("inspector", rule)
        self._policy = None if rule is None else Policy({"list": rule})
        self._is_closed = rule is False
        self._caller = caller
        self.is_development = False
        """Whether the command line serves this on loopback."""

    async def user(self, scope: Scope) -> Any:
        """Whose a request is that may look. Raises DocumentNotFound, RequestRefused."""
        is_open = self._policy is not None or (self.is_development and is_local(scope))
        if self._is_closed or not is_open:
            raise DocumentNotFound(CLOSED)
        user = await self._caller.user_of(scope)
        if not self.admits(user):
            raise refused(user, "you may not inspect this", knows_users=self._caller.knows_users)
        return user

    def admits(self, user: Any) -> bool:
        """Whether a user may look, as of now."""
        return self.is_development if self._policy is None else "list" in self._policy.rights(user)


def is_local(scope: Scope) -> bool:
    """Whether a request comes from this machine, to its own name, as far as it tells.

    A proxy that was told nothing but where to pass things on to tells nothing of that; nginx then speaks HTTP/1.0.
    """
    headers = HTTPConnection(scope).headers
    client = scope.get("client")
    host = named_host(headers)
    return (
        (client is None or is_loopback(client[0]))
        and is_loopback(host)
        and scope.get("http_version") != "1.0"
        and not any(name in headers for name in _FORWARDED)
    )
