"""Binding: which links may speak for a session.

Three rules. A link must match all that the session remembers: its user, and our cookie once the client has
returned it; only a socket that its page has opened before that may lack it, since Faye's client opens one beside its
handshake. A link that was let in stays in: what a socket carries is what it had when it was opened. While a
live socket speaks for a session, a newcomer that brings neither its cookie nor its user is let in only if that
socket, asked, says nothing.

Tabs that a browser opens at the same moment have no cookie yet, so each handshake gives it one, and under one name it
keeps but the last. So each is also given under a name of its own, and a link brings all that its browser was ever
given. That takes nothing from the first rule: a session is still asked for its very own secret, from the first moment
on, and who has only its clientId, or cookies of other sessions, has nothing. (To ask for it some seconds later, until
a browser has settled on one, would let in for as long whoever has the clientId.) It needs no memory here, and
works whichever process gave which. A browser gets more than one pair only in that race: handshakes that bring a cookie
give none.

When a page has opened a socket is known only roughly: browsers that open several let them wait for each other, with
the headers of before. So a socket that reaches us within ``LATE`` seconds after the cookie was returned may lack it
too, if it comes from where the handshake came from: from its address, with its ``User-Agent``. A stranger elsewhere
gains nothing by it, and one behind the same address nothing that he hadn't: sockets that were open before may lack
the cookie anyhow, and he can have one open. Such a socket too is let in only while no other is alive.

These are decisions: who asks the socket, and for how long, is not known here.
"""

from __future__ import annotations

import hmac
import re
from enum import Enum
from itertools import islice
from typing import Any

from .connection import Claim, Connection
from .session import Link, Session

_COOKIE = re.compile("[0-9a-f]{40}")
MOST = 200
"""Cookies that are looked at: no browser has more for one path, as a rule."""
LATE = 5.0
"""Seconds by which a browser may be late with a socket that it was told to open."""
COOKIE_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")


class Verdict(Enum):
    """What becomes of a link that would speak for a session."""

    WELCOME = "it may"
    NEWCOMER = "it may if the socket that speaks for the session is not there any more"
    FOREIGN = "it does not match what the session remembers"


def judge(session: Session, link: Link, claim: Claim) -> Verdict:
    """Whether a link with this claim may speak for the session."""
    if not _matches(session, claim):
        return Verdict.FOREIGN
    has_other = session.socket is not None and session.socket is not link
    if has_other and not _brings_cookie(session, claim) and not _brings_user(session, claim):
        return Verdict.NEWCOMER
    return Verdict.WELCOME


def _matches(session: Session, claim: Claim) -> bool:
    is_from_there = claim.place is not None and claim.place == session.place
    is_asked = session.is_cookie_returned and claim.opened >= session.returned_at + LATE * is_from_there
    if is_asked and not _brings_cookie(session, claim):
        return False
    if session.told is not None:
        return are_one(claim.user, session.told)
    return session.user is None or claim.user is None or are_one(claim.user, session.user)


def _brings_cookie(session: Session, claim: Claim) -> bool:
    secret = session.cookie
    return secret is not None and any(hmac.compare_digest(secret, one) for one in claim.cookies)


def _brings_user(session: Session, claim: Claim) -> bool:
    told = (session.told, session.user)
    return claim.user is not None and any(are_one(claim.user, user) for user in told)


def are_one(user: Any, other: Any) -> bool:
    """Whether two users are the same, or both nobody; a ``==`` of the application's is never asked about nobody."""
    return user is other if user is None or other is None else bool(user == other)


def let_in(session: Session, claim: Claim, now: float) -> None:
    """Remember the cookie, if the client has returned it now."""
    if not session.is_cookie_returned and _brings_cookie(session, claim):
        session.is_cookie_returned, session.returned_at = True, now


def cookies_of(connection: Connection, name: str) -> tuple[str | None, tuple[str, ...]]:
    """Our cookie, if it has the form of ours, and those that its browser was given by handshakes of other tabs at the
    same moment."""
    cookies = connection.cookies
    if not cookies:
        return None, ()
    own = cookies.get(name, "")
    others = [
        value
        for each, value in islice(cookies.items(), MOST)
        if each == _own_name(name, value) and value != own and _COOKIE.fullmatch(value)
    ]
    return own if _COOKIE.fullmatch(own) else None, tuple(others)


def set_cookies(connection: Connection, name: str, value: str) -> list[tuple[bytes, bytes]]:
    """The headers that give the client our cookie; no script sees it, and no foreign page makes it travel."""
    secure = "; Secure" if connection.is_secure else ""
    attributes = f"Path={connection.mount}; HttpOnly; SameSite=Lax{secure}"
    headers = [f"{each}={value}; {attributes}" for each in (_own_name(name, value), name)]
    return [(b"set-cookie", header.encode("latin-1")) for header in headers]


def _own_name(name: str, value: str) -> str:
    return f"{name}-{value[:8]}"
