"""The models of both releases: what the second has otherwise is said where it is."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Customer(models.Model):  # type: ignore[misc]
    """Who buys."""

    name = models.CharField(max_length=30 if settings.RELEASE == 1 else 200)
    email = models.EmailField(unique=True, null=True)
    password = models.CharField(max_length=100, default="!")
    credit = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    if settings.RELEASE == 1:
        active = models.BooleanField(default=True)
    else:
        is_active = models.BooleanField(default=True)


class Order(models.Model):  # type: ignore[misc]
    """What is bought."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE)
    number = models.PositiveIntegerField()
    placed = models.DateTimeField(auto_now_add=True)
    lines = models.JSONField(default=list)
    if settings.RELEASE == 1:
        note = models.TextField(blank=True)
    else:
        status = models.CharField(max_length=10, default="new")

    class Meta:
        """Each customer counts his own."""

        unique_together = (("customer", "number"),)
