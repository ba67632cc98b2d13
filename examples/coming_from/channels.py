"""A Django application whose consumers are gone: `livecollections run examples.coming_from.channels:app`"""

import json
from collections.abc import Mapping
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import path
from starlette.requests import HTTPConnection

from livecollections import Live

settings.configure(
    SECRET_KEY="in your application: from its settings",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "django.db"}},
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
)
django.setup()

from django.contrib.sessions.backends.signed_cookies import SessionStore  # noqa: E402


class Message(models.Model):  # type: ignore[misc]
    room = models.CharField(max_length=40)
    text = models.CharField(max_length=200)

    class Meta:
        app_label = "chat"
        db_table = "chat_message"


def say(request: HttpRequest) -> HttpResponse:
    """A view as it was. What signals never heard of, bulk_create, is heard."""
    Message.objects.bulk_create(Message(**each) for each in json.loads(request.body))
    return HttpResponse(status=204)


urlpatterns = [path("say/", say)]


def authenticate(connection: HTTPConnection, ext: Mapping[str, Any]) -> str | None:
    """The name in Django's own session, which the browser's cookie leads to."""
    name: str | None = SessionStore(connection.cookies.get(settings.SESSION_COOKIE_NAME)).get("name")
    return name


live = Live("sqlite:///django.db", authenticate=authenticate)
live.add_table("/api/rooms/{room}/messages", "chat_message", methods=["GET"])
app = live.wrap(get_asgi_application())
