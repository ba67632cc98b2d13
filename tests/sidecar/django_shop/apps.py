"""The application's name."""

from __future__ import annotations

from django.apps import AppConfig


class ShopConfig(AppConfig):  # type: ignore[misc]
    """Its tables begin with ``shop_``."""

    name = "tests.sidecar.django_shop"
    label = "shop"
