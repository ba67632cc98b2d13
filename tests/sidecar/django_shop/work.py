"""What the application does all day, by each way that the ORM has: run as a program, which prints what it has then."""

from __future__ import annotations

import json
import sys
from typing import Any

import django
from django.db import connection, transaction
from django.db.models import F

django.setup()

from .models import Customer, Order  # noqa: E402  (models can't be imported before)


class Undone(Exception):
    """Raised where a transaction is to come to nothing."""


def first() -> None:
    """As the first release."""
    ann = Customer.objects.create(name="Ann", email="ann@example.org")
    bob = Customer(name="Bob")
    bob.save()
    bob.name = "Bobby"
    bob.save(update_fields=["name"])
    Customer.objects.bulk_create(Customer(name=f"customer {number}") for number in range(20))
    Customer.objects.filter(name__startswith="customer").update(credit=F("id") * 2)
    Customer.objects.filter(id__gt=15).delete()
    Customer.objects.get_or_create(email="cid@example.org", defaults={"name": "Cid"})
    Customer.objects.update_or_create(email="ann@example.org", defaults={"name": "Anna", "active": False})
    Order.objects.bulk_create(Order(customer=ann, number=number, note="x") for number in range(3))
    Order.objects.create(customer=bob, number=1, lines=[{"item": "milk", "price": "1.20"}])
    Order.objects.bulk_create(
        [Order(customer=ann, number=1, note="again")],
        update_conflicts=True,
        unique_fields=["customer", "number"],
        update_fields=["note"],
    )
    orders = list(Order.objects.filter(customer=ann))
    for order in orders:
        order.note = f"order {order.number}"
    Order.objects.bulk_update(orders, ["note"])
    try:
        with transaction.atomic():
            Order.objects.all().delete()
            raise Undone
    except Undone:
        pass
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE shop_customer SET name = upper(name) WHERE id = %s", [bob.pk])
    bob.refresh_from_db()
    bob.delete()


def second() -> None:
    """As the second release."""
    Customer.objects.filter(is_active=False).update(is_active=True, credit=7)
    for order in Order.objects.select_related("customer"):
        order.status = "sent" if order.number else "paid"
        order.save()
    Order.objects.create(customer=Customer.objects.earliest("id"), number=9)


def rows(model: Any) -> dict[int, dict[str, Any]]:
    """All of a table, by key, as the ORM sees it."""
    return {row["id"]: row for row in model.objects.values()}


if __name__ == "__main__":
    {"first": first, "second": second}[sys.argv[1]]()
    json.dump({"customer": rows(Customer), "order": rows(Order)}, sys.stdout, default=str)
