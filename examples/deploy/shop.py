"""What the files beside it serve: orders, in the database that DATABASE_URL names."""

import os

from sqlmodel import Field, SQLModel

from livecollections import Live
from livecollections.bayeux import Server

# Seconds after which the least patient proxy on the way cuts what is idle. At 60 these are as shipped: 45 and 20.
patience = float(os.environ.get("PROXY_PATIENCE", "60"))
bayeux = Server(timeout=patience * 3 / 4, ping=patience / 3)
live = Live(os.environ.get("DATABASE_URL", "sqlite:///shop.db"), bayeux=bayeux)


@live.resource("/api/orders")
class Order(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    article: str
    paid: bool = False


app = live.app
