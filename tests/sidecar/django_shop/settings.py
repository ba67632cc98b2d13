"""Settings: the database's URL, and the release of the application, are the environment's."""

from __future__ import annotations

import os
from urllib.parse import parse_qsl, urlsplit

RELEASE = int(os.environ["SHOP_RELEASE"])
SECRET_KEY = "for tests only"
INSTALLED_APPS = ["tests.sidecar.django_shop"]

_URL = urlsplit(os.environ["SHOP_DATABASE"])
ENGINES = {"sqlite": "django.db.backends.sqlite3", "postgresql": "django.db.backends.postgresql"}
DATABASES = {
    "default": {
        "ENGINE": ENGINES[_URL.scheme],
        "NAME": _URL.path[1:],
        **{name.upper(): value for name, value in parse_qsl(_URL.query)},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
