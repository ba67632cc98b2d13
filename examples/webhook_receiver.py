"""A receiver of webhooks: checks each signature, and keeps every order as it was last.

A message may come twice, and one may be missing: its `seq` and its `prev` tell.
Run it: WEBHOOK_SECRET=whsec_… livecollections run examples.webhook_receiver:app --port 8001
"""

import os
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from standardwebhooks import Webhook, WebhookVerificationError

app = FastAPI()
webhook = Webhook(os.environ["WEBHOOK_SECRET"])
orders: dict[int, Any] = {}
position = ""


@app.post("/hooks/orders", status_code=204)
async def hear(request: Request) -> None:
    """Take a message; whatever is not answered with 2xx comes again."""
    global position
    try:
        message = webhook.verify(await request.body(), dict(request.headers))["data"]
    except WebhookVerificationError:
        raise HTTPException(400, "the signature is wrong") from None
    if message["seq"][:8] == position[:8] and message["seq"] <= position:
        return
    if message["method"] == "RESET" or (position and message["prev"] > position):
        print("something was missed: read /api/orders again", flush=True)
    if message["method"] == "DELETE":
        orders.pop(message["body"]["id"], None)
    elif message["method"] != "RESET":
        orders[message["body"]["id"]] = message["body"]
    position = message["seq"]


@app.get("/orders")
async def shown() -> list[Any]:
    """The orders that were heard of."""
    return list(orders.values())
