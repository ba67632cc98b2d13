// What is said on each protocol until a client hears, and by which it stays.
//
// Bayeux: handshake, subscribe, connect, and a connect again whenever one is answered. The same by HTTP, where messages
// come with the answers. Socket.IO: its namespace is joined, pings are answered. Plain WebSockets say nothing.
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool has(const char *text, size_t size, const char *part) { return memmem(text, size, part, strlen(part)) != NULL; }

static void say(struct connection *c, const char *text, size_t size) {
    if (options.protocol != POLL) {
        send_text(c, text, size);
        return;
    }
    char *request = malloc(size + 512);
    int head = sprintf(request, "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n", options.path, options.port, size);
    memcpy(request + head, text, size);
    write_all(c, request, (size_t)head + size);
    free(request);
}

static const char *transport(void) { return options.protocol == POLL ? "long-polling" : "websocket"; }

static void handshake(struct connection *c) {
    char text[256];
    int size = sprintf(text, "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\",\"id\":\"1\","
                       "\"supportedConnectionTypes\":[\"%s\"]}]", transport());
    c->stage = OPENING;
    say(c, text, (size_t)size);
}

static void connect_again(struct connection *c) {
    char text[256];
    int size = sprintf(text, "[{\"channel\":\"/meta/connect\",\"clientId\":\"%s\",\"id\":\"3\","
                       "\"connectionType\":\"%s\"}]", c->id, transport());
    say(c, text, (size_t)size);
}

static void subscribe(struct connection *c) {
    size_t room = 512 + 32 * ((size_t)options.extra + ROOMS_EACH);
    char *text = malloc(room);
    int size = sprintf(text, "[{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\",\"id\":\"2\",\"subscription\":[", c->id);
    if (options.rooms)
        for (unsigned each = 0; each < ROOMS_EACH; each++)
            size += sprintf(text + size, "%s\"/chat/%u\"", each ? "," : "", (c->index + each * (ROOMS / ROOMS_EACH)) % ROOMS);
    else
        size += sprintf(text + size, "\"/bench\"");
    for (int each = 0; each < options.extra; each++)
        size += sprintf(text + size, ",\"/other/%u/%d\"", c->index, each);
    size += sprintf(text + size, "]}]");
    c->stage = SUBSCRIBING;
    say(c, text, (size_t)size);
    free(text);
}

static void remember_id(struct connection *c, const char *text, size_t size) {
    static const char name[] = "\"clientId\":\"";
    const char *found = memmem(text, size, name, sizeof name - 1);
    if (!found) fail("client %u: no clientId in %.*s", c->index, (int)size, text);
    found += sizeof name - 1;
    size_t length = strcspn(found, "\"");
    if (length >= LONGEST_ID) fail("client %u: a clientId of %zu bytes", c->index, length);
    memcpy(c->id, found, length);
    c->id[length] = 0;
}

static void heard_bayeux(struct connection *c, const char *text, size_t size) {
    if (has(text, size, "\"successful\":false")) fail("client %u: %.*s", c->index, (int)size, text);
    if (c->stage == OPENING) {
        remember_id(c, text, size);
        subscribe(c);
    } else if (c->stage == SUBSCRIBING && has(text, size, "/meta/subscribe")) {
        c->stage = READY;
        connect_again(c);
    } else if (has(text, size, "/meta/connect")) {
        connect_again(c);
    }
}

static void heard_socketio(struct connection *c, const char *text, size_t size) {
    if (size && text[0] == '0') send_text(c, "40", 2);
    else if (size && text[0] == '2') send_text(c, "3", 1);
    else if (size > 1 && text[0] == '4' && text[1] == '0') c->stage = READY;
    else fail("client %u: %.*s", c->index, (int)size, text);
}

void heard(struct connection *c, const char *text, size_t size) {
    if (options.protocol == SOCKETIO) heard_socketio(c, text, size);
    else if (options.protocol != WS) heard_bayeux(c, text, size);
}

void begin(struct connection *c) {
    if (options.protocol == POLL) handshake(c);
    else upgrade(c);
}

static void upgraded(struct connection *c) {
    if (options.protocol == BAYEUX) handshake(c);
    else c->stage = options.protocol == WS ? READY : OPENING;
}

static void answered(struct connection *c, const char *body, size_t size) {
    const char *mark = memchr(body, MARK, size);
    if (!mark) {
        heard(c, body, size);
        return;
    }
    unsigned messages = 0;
    for (const char *end = body + size; mark; mark = memchr(mark + 1, MARK, (size_t)(end - mark - 1))) messages++;
    totals.frames++;
    totals.messages += messages;
    // Asked again before it counts: a message counts for the next one, too.
    connect_again(c);
    round_count(c, messages);
}

size_t answers(struct connection *c, const char *bytes, size_t size) {
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = (size_t)(end - bytes) + 4;
    if (c->stage == UPGRADING) {
        if (!has(bytes, head, " 101 ")) fail("client %u: %.*s", c->index, (int)size, bytes);
        upgraded(c);
        return head;
    }
    char *length = strcasestr(bytes, "content-length:");
    if (!length || length > end || !has(bytes, head, " 200 ")) fail("client %u: %.*s", c->index, (int)size, bytes);
    size_t body = strtoul(length + strlen("content-length:"), NULL, 10);
    if (size < head + body) return 0;
    answered(c, bytes + head, body);
    return head + body;
}
