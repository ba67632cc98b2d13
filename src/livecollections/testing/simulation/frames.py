"""What bytes on a connection are, in words: the head and body of HTTP, the frames of a WebSocket.

It guesses from the first bytes, for readers of a trace only; nothing is decided by it.
"""

from __future__ import annotations

LONGEST = 400
"""Characters that are shown."""
_OPCODES = {0: "continued", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}


def described(data: bytes) -> str:
    """Bytes in words."""
    if data[:1].isalpha() or data[:1] in (b"{", b"[", b"\r"):
        return _http(data)
    return " | ".join(_frames(data))


def _http(data: bytes) -> str:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    if b"HTTP/1" not in lines[0]:
        return _text(data)
    live = [line for line in lines[1:] if line.lower().startswith((b"live-", b"set-cookie", b"upgrade"))]
    return _text(b" ".join([lines[0], *live, body]))


def _frames(data: bytes) -> list[str]:
    found = []
    while len(data) >= 2:
        opcode, size, at = data[0] & 0x0F, data[1] & 0x7F, 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        mask = data[at : at + 4] if data[1] & 0x80 else b""
        at += len(mask)
        payload = data[at : at + size]
        if mask:
            payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        cut = " (cut)" if len(data) < at + size else ""
        found.append(f"{_OPCODES.get(opcode, opcode)}{cut} {_text(payload)}")
        data = data[at + size :]
    return found


def _text(data: bytes) -> str:
    text = data.decode("utf-8", "backslashreplace")
    shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in shown)
