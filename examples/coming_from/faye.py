"""A chat that was Faye's: an extension, events. `livecollections run examples.coming_from.faye:app`"""

import hmac
from collections import Counter
from typing import Any

from livecollections.bayeux import Context, Policy, Server, Session

PASSWORD = "in your application: from its settings"

app = bayeux = Server(timeout=45, policy=Policy(subscribe=["/chat/*"], publish=["/chat/*"]))
heads: Counter[str] = Counter()


class Password:
    """Who publishes must bring the password; nobody else is shown it."""

    async def incoming(self, message: dict[str, Any], context: Context) -> dict[str, Any]:
        if not message["channel"].startswith("/meta/"):
            given = (message.get("ext") or {}).pop("password", "")
            if not hmac.compare_digest(str(given).encode(), PASSWORD.encode()):
                context.reject("403::Wrong password")
        return message


bayeux.add_extension(Password())


@bayeux.on("subscribe")
async def came(session: Session, channel: str) -> None:
    heads[channel] += 1
    await bayeux.publish(channel, {"system": f"{heads[channel]} here"})


@bayeux.on("unsubscribe")
async def went(session: Session, channel: str) -> None:
    heads[channel] -= 1
