"""Django's own ASGI application with a Live wrapped round it: its views, our REST, and the same server."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from sqlmodel import Field, SQLModel

from livecollections import Live

from .bayeux import PATH, server

settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="for tests only", DEBUG=False, USE_TZ=True
)
django.setup()


def hello(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"hello": "world"})


async def hello_async(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"hello": "async world"})


urlpatterns = [path("hello/", hello), path("hello/async/", hello_async)]

live = Live("sqlite://", faye=PATH, bayeux=server)


@live.resource("/api/notes")
class Note(SQLModel, table=True):
    """A note."""

    id: int | None = Field(default=None, primary_key=True)
    text: str


django_app: Any = get_asgi_application()
app = live.wrap(django_app)
