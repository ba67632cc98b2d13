"""Settings: the database's file, and the release of the application, are the environment's."""

from __future__ import annotations

import os

RELEASE = int(os.environ["SHOP_RELEASE"])
SECRET_KEY = "for tests only"
INSTALLED_APPS = ["tests.sidecar.django_shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["SHOP_DATABASE"]}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
