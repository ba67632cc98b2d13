"""The first release."""

from __future__ import annotations

from typing import Any, ClassVar

import django.db.models.deletion
from django.db import migrations, models

KEY = {"auto_created": True, "primary_key": True, "serialize": False, "verbose_name": "ID"}


class Migration(migrations.Migration):  # type: ignore[misc]
    """As ``makemigrations`` writes it."""

    initial = True
    dependencies: ClassVar[list[Any]] = []
    operations: ClassVar[list[Any]] = [
        migrations.CreateModel(
            name="Customer",
            fields=[
                ("id", models.BigAutoField(**KEY)),
                ("name", models.CharField(max_length=30)),
                ("email", models.EmailField(max_length=254, null=True, unique=True)),
                ("password", models.CharField(default="!", max_length=100)),
                ("credit", models.DecimalField(decimal_places=2, default=0, max_digits=8)),
                ("active", models.BooleanField(default=True)),
            ],
        ),
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(**KEY)),
                ("number", models.PositiveIntegerField()),
                ("placed", models.DateTimeField(auto_now_add=True)),
                ("lines", models.JSONField(default=list)),
                ("note", models.TextField(blank=True)),
                (
                    "customer",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="shop.customer"),
                ),
            ],
            options={"unique_together": {("customer", "number")}},
        ),
    ]
