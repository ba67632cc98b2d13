// The physical limit: accepts WebSockets, then does nothing but send() one prebuilt frame to each, one call per message.
//
//   sender PORT CONTROL_PORT SIZE
//
// SIZE is that of the message in bytes. Its control port speaks as those of the servers that it is compared with.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKETS 20000
static const char ACCEPT[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static int epoll, listener, control_listener, control = -1, sockets[SOCKETS], count;
static char frame[65536];
static size_t frame_size;
static int is_on;
static unsigned burst, window;
static unsigned long long published, acknowledged;

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll");
}

static int listen_on(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 2048) < 0) fail("listen");
    watch(fd);
    return fd;
}

static void build(size_t size) {
    static const char begin[] = "[{\"channel\":\"/bench\",\"data\":\"~", end[] = "\"}]";
    frame[frame_size++] = (char)0x81;
    if (size < 126) {
        frame[frame_size++] = (char)size;
    } else {
        frame[frame_size++] = 126;
        frame[frame_size++] = (char)(size >> 8);
        frame[frame_size++] = (char)size;
    }
    memset(frame + frame_size, 'x', size);
    memcpy(frame + frame_size, begin, sizeof begin - 1);
    memcpy(frame + frame_size + size - (sizeof end - 1), end, sizeof end - 1);
    frame_size += size;
}

static void send_to(int fd) {
    while (send(fd, frame, frame_size, MSG_NOSIGNAL) < 0) {
        if (errno != EAGAIN) fail("send");
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        poll(&room, 1, 1000);
    }
}

static void publish(void) {
    for (unsigned each = 0; each < burst; each++)
        for (int to = 0; to < count; to++) send_to(sockets[to]);
    published += burst;
}

static void command(char *lines) {
    for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n")) {
        if (sscanf(line, "go %u %u", &burst, &window) == 2) {
            published = acknowledged = 0;
            is_on = 1;
        } else if (!strcmp(line, "stop")) {
            is_on = 0;
            dprintf(control, "stopped %llu\n", published);
        } else {
            sscanf(line, "ack %llu", &acknowledged);
        }
    }
}

static void accepted(int from) {
    int fd = accept4(from, NULL, NULL, SOCK_NONBLOCK), yes = 1;
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (from == control_listener) control = fd;
    watch(fd);
}

static void received(int fd) {
    char request[4096];
    ssize_t size = recv(fd, request, sizeof request - 1, 0);
    if (size <= 0) {
        close(fd);
        return;
    }
    request[size] = 0;
    if (fd == control) {
        command(request);
        return;
    }
    // A request for an upgrade comes in one piece from the generator; nothing comes after it.
    if (count == SOCKETS) exit(1);
    sockets[count++] = fd;
    if (send(fd, ACCEPT, sizeof ACCEPT - 1, MSG_NOSIGNAL) < 0) fail("send");
}

int main(int arguments_count, char **arguments) {
    if (arguments_count != 4) return 2;
    epoll = epoll_create1(0);
    build((size_t)atoi(arguments[3]));
    listener = listen_on(atoi(arguments[1]));
    control_listener = listen_on(atoi(arguments[2]));
    struct epoll_event events[64];
    for (;;) {
        int may_publish = is_on && published + burst <= acknowledged + window;
        int number = epoll_wait(epoll, events, 64, may_publish ? 0 : -1);
        for (int each = 0; each < number; each++) {
            int fd = events[each].data.fd;
            if (fd == listener || fd == control_listener) accepted(fd);
            else received(fd);
        }
        if (may_publish && is_on) publish();
    }
}
