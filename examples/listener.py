"""A listener in the server: called after each commit, in order, also for what was written while nothing ran.

Run it: livecollections run examples.listener:app
"""

from sqlmodel import Field, SQLModel

from livecollections import Change, Live

live = Live("sqlite:///orders.db")


@live.resource("/api/orders")
class Order(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    article: str
    paid: bool = False


@live.on(Order, "update", durable="receipts")
async def receipt(change: Change) -> None:
    """Print a receipt once an order is paid. At least once: a crash in here brings the same change again."""
    if change.before and change.after and change.after["paid"] and not change.before["paid"]:
        print(f"receipt for order {change.after['id']}: {change.after['article']} ({change.seq})", flush=True)


app = live.app
