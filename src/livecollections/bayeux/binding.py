"""Binding: which links may speak for a session.

Three rules. A link must match all that the session remembers: its user, and our cookie once the client has
returned it; only a socket that was opened before that may lack it, since Faye's client opens one beside its
handshake. A link that was let in stays in: what a socket carries is what it had when it was opened. While a
live socket speaks for a session, a newcomer that brings neither its cookie nor its user is let in only if that
socket, asked, says nothing.

These are decisions: who asks the socket, and for how long, is not known here.
"""

from __future__ import annotations

import hmac
import re
from enum import Enum

from .connection import Claim, Connection
from .session import Link, Session

_COOKIE = re.compile("[0-9a-f]{40}")
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
    is_asked = session.is_cookie_returned and claim.opened >= session.returned_at
    if is_asked and not _brings_cookie(session, claim):
        return False
    if session.told is not None:
        return bool(claim.user == session.told)
    return session.user is None or claim.user is None or bool(claim.user == session.user)


def _brings_cookie(session: Session, claim: Claim) -> bool:
    return (
        session.cookie is not None
        and claim.cookie is not None
        and hmac.compare_digest(session.cookie, claim.cookie)
    )


def _brings_user(session: Session, claim: Claim) -> bool:
    return claim.user is not None and (claim.user == session.told or claim.user == session.user)


def let_in(session: Session, claim: Claim, now: float) -> None:
    """Remember the cookie, if the client has returned it now."""
    if not session.is_cookie_returned and _brings_cookie(session, claim):
        session.is_cookie_returned, session.returned_at = True, now


def cookie_of(connection: Connection, name: str) -> str | None:
    """Our cookie, if it has the form of ours."""
    value = connection.cookies.get(name, "")
    return value if _COOKIE.fullmatch(value) else None


def set_cookie(connection: Connection, name: str, value: str) -> tuple[bytes, bytes]:
    """The header that gives the client our cookie; no script sees it, and no foreign page makes it travel."""
    secure = "; Secure" if connection.is_secure else ""
    header = f"{name}={value}; Path={connection.mount}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", header.encode("latin-1")
