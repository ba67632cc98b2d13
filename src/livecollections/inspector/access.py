"""Access: who may open the inspector.

Three rules. Where nothing is said only a developer may: whoever has the key of a process that the command line serves
on this machine, and asks there, by its own name and through no proxy. What ``Live(inspector=...)`` says holds
everywhere, also there. A rule that raises says no.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from ..errors import DocumentNotFound, RequestRefused
from ..gate import is_loopback, named_host
from ..policy import Policy, check_rule
from ..rest.caller import Caller
from ..view import refused
from .key import Key

CLOSED = (
    "the inspector is closed here: `livecollections run`, `demo` and `serve` open it to who works at the same machine, "
    "and `serve --token` to who has the token; elsewhere, and for a Live in an application that is mounted in another, "
    "`Live(inspector=...)` says for whom"
)
LOCKED = "open the link that stands below the address in your terminal"
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
        self.key: Key | None = None
        """Of the developer, where the command line serves this on loopback."""

    @property
    def is_unsaid(self) -> bool:
        """Whether nothing is said of who may, so that only a developer may."""
        return self._policy is None

    def entrance(self, scope: Scope) -> Response | None:
        """The answer to a developer who follows his link; None: this request is none of that."""
        if self.key is None or self._policy is not None or not is_local(scope):
            return None
        return self.key.answer(scope)

    async def user(self, scope: Scope) -> Any:
        """Whose a request is that may look. Raises DocumentNotFound, RequestRefused."""
        if self._policy is None:
            if self.key is None or not is_local(scope):
                raise DocumentNotFound(CLOSED)
            if not self.key.opens(scope):
                raise RequestRefused(LOCKED, (), 403, "Forbidden")
        elif self._is_closed:
            raise DocumentNotFound(CLOSED)
        user = await self._caller.user_of(scope)
        if not self.admits(user):
            raise refused(user, "you may not inspect this", knows_users=self._caller.knows_users)
        return user

    def admits(self, user: Any) -> bool:
        """Whether a user may look, as of now."""
        return self.key is not None if self._policy is None else "list" in self._policy.rights(user)


def is_local(scope: Scope) -> bool:
    """Whether a request comes from this machine, to its own name, as far as it tells.

    It keeps out other sites that have their names lead here, and proxies that say what they are. One that was told
    nothing but where to pass things on to, and a tunnel, tell nothing of that: hence the key. (nginx then speaks
    HTTP/1.0.)
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
