// Sockets: opened a few at a time, so that no server's queue of them overflows; read with one call each time.
//
// Clients come from several loopback addresses, a thousand from each: a server may bound what one address costs.
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define AT_ONCE 100
#define PER_ADDRESS 1000
#define BUFFER (1 << 18)

int ready;
static int epoll_of_all, begun;
// What came, after what was left of the time before.
static char buffer[2 * BUFFER];

static void open_one(struct connection *c) {
    c->index = (uint32_t)(c - connections);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) fail("socket %u: %s", c->index, strerror(errno));
    int yes = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + c->index / PER_ADDRESS);
    // Where only 127.0.0.1 exists, all come from there.
    (void)!bind(c->fd, (struct sockaddr *)&from, sizeof from);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0 && errno != EINPROGRESS)
        fail("client %u: %s", c->index, strerror(errno));
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = c->index};
    epoll_ctl(epoll_of_all, EPOLL_CTL_ADD, c->fd, &event);
}

static void open_more(void) {
    while (begun < options.clients && begun - ready < AT_ONCE) open_one(&connections[begun++]);
}

void open_all(int epoll) {
    epoll_of_all = epoll;
    open_more();
}

void opened(struct connection *c) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = c->index};
    epoll_ctl(epoll_of_all, EPOLL_CTL_MOD, c->fd, &event);
    begin(c);
}

static void keep(struct connection *c, const char *bytes, size_t size) {
    if (size == 0) {
        free(c->rest);
        c->rest = NULL;
    } else {
        if (size > BUFFER) fail("client %u: a message of more than %d bytes", c->index, BUFFER);
        char *kept = malloc(size);
        memcpy(kept, bytes, size);
        free(c->rest);
        c->rest = kept;
    }
    c->rest_size = (uint32_t)size;
}

void readable(struct connection *c) {
    size_t before = c->rest_size;
    ssize_t size = recv(c->fd, buffer + before, BUFFER, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) fail("client %u: %s", c->index, size ? strerror(errno) : "the server closed the socket");
    if (before) memcpy(buffer, c->rest, before);
    totals.reads++;
    totals.bytes += (uint64_t)size;
    read_at = now();
    bool was_ready = c->stage == READY;
    size_t all = before + (size_t)size;
    bool is_http = options.protocol == POLL || c->stage == UPGRADING;
    size_t used = is_http ? answers(c, buffer, all) : frames(c, buffer, all);
    // What follows the answer to the upgrade are frames.
    if (is_http && c->stage != UPGRADING && options.protocol != POLL) used += frames(c, buffer + used, all - used);
    if (before || used < all) keep(c, buffer + used, all - used);
    if (!was_ready && c->stage == READY) {
        ready++;
        open_more();
    }
}

void write_all(struct connection *c, const char *bytes, size_t size) {
    while (size) {
        ssize_t written = send(c->fd, bytes, size, MSG_NOSIGNAL);
        if (written >= 0) {
            bytes += written;
            size -= (size_t)written;
        } else if (errno == EAGAIN) {
            struct pollfd room = {.fd = c->fd, .events = POLLOUT};
            poll(&room, 1, 1000);
        } else {
            fail("client %u: %s", c->index, strerror(errno));
        }
    }
}
