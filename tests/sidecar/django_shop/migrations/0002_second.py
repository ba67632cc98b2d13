"""The second release: columns come, go, change and are called otherwise, and rows are changed on the way."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models


def fill(apps: Any, schema_editor: Any) -> None:
    """Put in what the new column is to have."""
    apps.get_model("shop", "Order").objects.filter(number=0).update(status="old")


class Migration(migrations.Migration):  # type: ignore[misc]
    """As ``makemigrations`` writes it."""

    dependencies: ClassVar[list[Any]] = [("shop", "0001_initial")]
    operations: ClassVar[list[Any]] = [
        migrations.RenameField(model_name="customer", old_name="active", new_name="is_active"),
        migrations.AlterField(model_name="customer", name="name", field=models.CharField(max_length=200)),
        migrations.AddField(
            model_name="order", name="status", field=models.CharField(default="new", max_length=10)
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RemoveField(model_name="order", name="note"),
    ]
