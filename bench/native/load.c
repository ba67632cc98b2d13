// The load generator: opens many clients of a server, then does what each line of standard input says.
//
//   load PROTOCOL PORT CONTROL_PORT PATH CLIENTS EXTRA ROOMS
//
// PROTOCOL is ws, bayeux, socketio or poll; EXTRA: how many more channels each client subscribes to; ROOMS: 1, clients
// are in ten of a hundred rooms. CONTROL_PORT 0: the server publishes nothing by itself. Commands, each answered with a line
// of JSON:
//
//   round BURST WINDOW WARM MILLISECONDS    the server publishes, BURST a turn, at most WINDOW unacknowledged
//   chat BATCHES SIZE MILLISECONDS          clients publish so many batches a second of SIZE messages
//
// It knows nothing of which server it asks.
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 512
enum { INPUT = UINT32_MAX, CONTROL = UINT32_MAX - 1, TIMER = UINT32_MAX - 2 };

struct options options;
struct connection *connections;
struct totals totals;
uint64_t read_at;

static int epoll, timer, control_socket = -1;

uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

double cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void wake_at(uint64_t time) {
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(time / 1000000000u), .tv_nsec = (long)(time % 1000000000u)}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

void control(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (vdprintf(control_socket, format, arguments) < 0) fail("the server's control port has gone");
    va_end(arguments);
}

static void watch(int fd, uint32_t what) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll: %s", strerror(errno));
}

static void open_control(void) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.control_port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    control_socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(control_socket, (struct sockaddr *)&to, sizeof to) < 0) fail("control port: %s", strerror(errno));
    int yes = 1;
    setsockopt(control_socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    watch(control_socket, CONTROL);
}

static void command(const char *line) {
    unsigned burst, window, warm, milliseconds, size;
    double batches;
    if (sscanf(line, "round %u %u %u %u", &burst, &window, &warm, &milliseconds) == 4)
        round_begin(burst, window, warm, milliseconds);
    else if (sscanf(line, "chat %lf %u %u", &batches, &size, &milliseconds) == 3)
        chat_begin(batches, size, milliseconds);
    else
        fail("what is %s", line);
}

// One line at a time: who commands waits for the answer.
static bool line_from(int fd, char *line, size_t room) {
    ssize_t size = read(fd, line, room - 1);
    if (size <= 0) return false;
    line[size] = 0;
    return true;
}

static void happened(const struct epoll_event *event) {
    char line[256];
    unsigned long long published;
    switch (event->data.u32) {
    case INPUT:
        if (!line_from(STDIN_FILENO, line, sizeof line)) exit(0);
        command(line);
        break;
    case CONTROL:
        if (!line_from(control_socket, line, sizeof line)) fail("the server has ended");
        if (sscanf(line, "stopped %llu", &published) == 1) round_stopped(published);
        break;
    case TIMER:
        read(timer, line, 8);
        if (!chat_timer()) round_timer();
        break;
    default:
        if (event->events & EPOLLOUT) opened(&connections[event->data.u32]);
        else readable(&connections[event->data.u32]);
    }
}

static enum protocol named(const char *name) {
    static const char *const names[] = {[WS] = "ws", [BAYEUX] = "bayeux", [SOCKETIO] = "socketio", [POLL] = "poll"};
    for (unsigned each = 0; each < sizeof names / sizeof *names; each++)
        if (!strcmp(name, names[each])) return (enum protocol)each;
    fail("no protocol is called %s", name);
}

int main(int count, char **arguments) {
    if (count != 8) fail("usage: load PROTOCOL PORT CONTROL_PORT PATH CLIENTS EXTRA ROOMS");
    options = (struct options){.protocol = named(arguments[1]), .port = atoi(arguments[2]), .path = arguments[4],
                               .control_port = atoi(arguments[3]), .clients = atoi(arguments[5]),
                               .extra = atoi(arguments[6]), .rooms = atoi(arguments[7])};
    setvbuf(stdout, NULL, _IOLBF, 0);
    epoll = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    connections = calloc((size_t)options.clients, sizeof *connections);
    watch(timer, TIMER);
    if (options.control_port) open_control();
    uint64_t begun = now();
    open_all(epoll);
    bool is_told = false;
    struct epoll_event events[EVENTS];
    for (;;) {
        if (!is_told && ready == options.clients) {
            printf("{\"clients\": %d, \"seconds\": %.3f}\n", ready, (double)(now() - begun) / 1e9);
            watch(STDIN_FILENO, INPUT);
            is_told = true;
        }
        int number = epoll_wait(epoll, events, EVENTS, -1);
        if (number < 0 && errno != EINTR) fail("epoll: %s", strerror(errno));
        for (int each = 0; each < number; each++) happened(&events[each]);
    }
}
