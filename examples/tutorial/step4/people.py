"""Who there is, and who has logged in."""

import hashlib
import hmac
import secrets
import time

from fastapi import HTTPException
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

WEEK = 7 * 86_400


class Person(SQLModel, table=True):
    name: str = Field(primary_key=True)
    salt: bytes
    password: bytes


class Login(SQLModel, table=True):
    token: str = Field(primary_key=True)
    person: str
    expires_at: float


class Credentials(SQLModel):
    name: str = Field(min_length=1, max_length=40)
    password: str = Field(min_length=8, max_length=200)


async def join(session: AsyncSession, given: Credentials) -> None:
    """Make somebody known."""
    if await session.get(Person, given.name):
        raise HTTPException(409, "that name is taken")
    salt = secrets.token_bytes(16)
    session.add(Person(name=given.name, salt=salt, password=scrambled(given.password, salt)))
    await session.commit()


async def log_in(session: AsyncSession, given: Credentials) -> str:
    """A token for a week."""
    person = await session.get(Person, given.name)
    if person is None or not hmac.compare_digest(person.password, scrambled(given.password, person.salt)):
        raise HTTPException(401, "no such name with this password")
    token = secrets.token_urlsafe(32)
    session.add(Login(token=digest(token), person=person.name, expires_at=time.time() + WEEK))
    await session.commit()
    return token


async def login_of(session: AsyncSession, token: str) -> Login | None:
    """Who has logged in with this token, if that still counts."""
    login = await session.get(Login, digest(token))
    return login if login and login.expires_at > time.time() else None


def scrambled(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
