// WebSocket frames, as a client reads and writes them. No extension, no fragments: none was asked for.
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

void upgrade(struct connection *c) {
    char request[512];
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                        options.path, options.port);
    c->stage = UPGRADING;
    write_all(c, request, (size_t)size);
}

// Masked with zeros, which changes nothing, as the protocol allows.
static void send_frame(struct connection *c, int kind, const char *payload, size_t size) {
    char *frame = malloc(size + 14);
    size_t at = 0;
    frame[at++] = (char)(0x80 | kind);
    if (size < 126) {
        frame[at++] = (char)(0x80 | size);
    } else {
        frame[at++] = (char)(0x80 | 126);
        frame[at++] = (char)(size >> 8);
        frame[at++] = (char)size;
    }
    memset(frame + at, 0, 4);
    memcpy(frame + at + 4, payload, size);
    write_all(c, frame, at + 4 + size);
    free(frame);
}

void send_text(struct connection *c, const char *text, size_t size) {
    if (size > 65535) fail("a frame of %zu bytes", size);
    send_frame(c, TEXT, text, size);
}

static unsigned marks(const char *text, size_t size) {
    unsigned count = 0;
    const char *end = text + size;
    while ((text = memchr(text, MARK, (size_t)(end - text)))) {
        count++;
        text++;
    }
    return count;
}

static void text(struct connection *c, const char *payload, size_t size) {
    unsigned messages = marks(payload, size);
    if (!messages) {
        heard(c, payload, size);
        return;
    }
    totals.frames++;
    totals.messages += messages;
    if (is_chat) chat_arrived(payload, size);
    round_count(c, messages);
}

// Bytes of the frame at the beginning; 0: it has not come whole. Its payload begins at *start.
static size_t whole(const unsigned char *bytes, size_t size, size_t *start) {
    if (size < 2) return 0;
    size_t length = bytes[1] & 0x7f, head = length == 126 ? 4 : length == 127 ? 10 : 2;
    if (size < head) return 0;
    if (head > 2)
        for (length = 0, *start = 2; *start < head; ++*start) length = length << 8 | bytes[*start];
    *start = head;
    return size - head < length ? 0 : head + length;
}

size_t frames(struct connection *c, const char *bytes, size_t size) {
    size_t used = 0, start, frame;
    while ((frame = whole((const unsigned char *)bytes + used, size - used, &start))) {
        const char *payload = bytes + used + start;
        size_t length = frame - start;
        switch (bytes[used] & 0x0f) {
        case TEXT:
            text(c, payload, length);
            break;
        case PING:
            send_frame(c, PONG, payload, length);
            break;
        case CLOSE:
            fail("client %u: closed with %d", c->index, length < 2 ? 1005 : (payload[0] & 0xff) << 8 | (payload[1] & 0xff));
        default:
            fail("client %u: a frame of kind %d", c->index, bytes[used] & 0x0f);
        }
        used += frame;
    }
    return used;
}
