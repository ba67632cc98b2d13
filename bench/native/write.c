/* The load of scenarios f and h: connections that create todos by REST, and WebSockets that hear of each of them.

   write PORT PROTOCOL SUBSCRIBERS CONNECTIONS SECONDS

   PROTOCOL is "bayeux" or "socketio". Each connection sends its next POST when the last is answered. A todo's title
   is the number of its POST, so that each push is matched with the moment at which the POST was sent. One line of
   JSON goes to stdout: times in milliseconds, from the POST to its answer and to its push at each subscriber. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, TICK = 10, BUCKETS = 4000000, PATIENCE = 20, MOST = 4000000 };
static const char TITLE[] = "\"title\":\"t";

struct peer {
  int fd, is_subscriber, used;
  long number;
  char *buffer;
};
struct times {
  uint32_t *buckets; /* of TICK microseconds */
  long count;
};

static double *sent_at;
static long sent, answered, failed, pushed;
static struct times answers, pushes;
static int is_bayeux, port;

static void fail(const char *format, ...) {
  va_list given;
  va_start(given, format);
  vfprintf(stderr, format, given);
  fputc('\n', stderr);
  exit(1);
}

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

static void note(struct times *times, double seconds) {
  long bucket = seconds * 1e6 / TICK;
  times->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  times->count++;
}

static double quantile(struct times *times, double part) {
  long wanted = times->count * part, passed = 0;
  for (long bucket = 0; bucket < BUCKETS; bucket++)
    if ((passed += times->buckets[bucket]) > wanted) return (bucket + 0.5) * TICK / 1e3;
  return 0;
}

static void send_all(int fd, const char *data, size_t length) {
  while (length) {
    ssize_t done = send(fd, data, length, MSG_NOSIGNAL);
    if (done < 0 && errno == EAGAIN) continue; /* what is sent is small, and the peer reads */
    if (done <= 0) fail("a connection was lost while sending: %s", strerror(errno));
    data += done, length -= done;
  }
}

static void send_frame(int fd, int opcode, const char *data, size_t length) {
  char frame[1024] = {(char)(0x80 | opcode)};
  size_t head = 2;
  if (length < 126) {
    frame[1] = 0x80 | length;
  } else {
    frame[1] = 0x80 | 126, frame[2] = length >> 8, frame[3] = length & 255;
    head = 4;
  }
  head += 4; /* a mask of zeros */
  memcpy(frame + head, data, length);
  send_all(fd, frame, head + length);
}

static int connected(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  if (connect(fd, (struct sockaddr *)&address, sizeof address)) fail("connect: %s", strerror(errno));
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static void receive(struct peer *peer) {
  ssize_t got = recv(peer->fd, peer->buffer + peer->used, BUFFER - 1 - peer->used, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) fail("a connection was closed%s", peer->is_subscriber ? " on a subscriber" : "");
  peer->used += got;
  peer->buffer[peer->used] = 0;
}

/* The next whole frame in the buffer; its text in *text. Returns how long it is on the wire, or 0. */
static size_t frame_of(struct peer *peer, int *opcode, char **text, size_t *length) {
  unsigned char *data = (unsigned char *)peer->buffer;
  size_t head = 2;
  if (peer->used < 2) return 0;
  *length = data[1] & 127;
  if (*length == 126) {
    if (peer->used < (int)(head = 4)) return 0;
    *length = data[2] << 8 | data[3];
  } else if (*length == 127) {
    if (peer->used < (int)(head = 10)) return 0;
    *length = 0;
    for (int place = 2; place < 10; place++) *length = *length << 8 | data[place];
  }
  if (head + *length > (size_t)BUFFER - 1) fail("a frame is too long: %zu", *length);
  if ((size_t)peer->used < head + *length) return 0;
  *opcode = data[0] & 15;
  *text = peer->buffer + head;
  return head + *length;
}

static void drop(struct peer *peer, size_t length) {
  memmove(peer->buffer, peer->buffer + length, peer->used - length);
  peer->used -= length;
  peer->buffer[peer->used] = 0;
}

/* Wait for a frame that holds a text, and copy it. */
static void expect(struct peer *peer, const char *wanted, char *copy, size_t room) {
  for (;;) {
    int opcode;
    char *text;
    size_t length, whole = frame_of(peer, &opcode, &text, &length);
    if (!whole) {
      receive(peer);
      continue;
    }
    char *found = memmem(text, length, wanted, strlen(wanted));
    if (found && copy) snprintf(copy, room, "%.*s", (int)(text + length - found), found);
    drop(peer, whole);
    if (found) return;
  }
}

static void subscribe(struct peer *peer) {
  char text[1024], found[256] = "", id[128] = "";
  peer->fd = connected(), peer->is_subscriber = 1, peer->buffer = malloc(BUFFER);
  snprintf(text, sizeof text,
           "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
           is_bayeux ? "/faye" : "/socket.io/?EIO=4&transport=websocket", port);
  send_all(peer->fd, text, strlen(text));
  char *end;
  do receive(peer);
  while (!(end = strstr(peer->buffer, "\r\n\r\n")));
  if (!strstr(peer->buffer, " 101 ")) fail("no WebSocket: %.200s", peer->buffer);
  drop(peer, end + 4 - peer->buffer);
  if (!is_bayeux) {
    expect(peer, "0{", NULL, 0);
    send_frame(peer->fd, 1, "40", 2);
    expect(peer, "40{", NULL, 0);
    return;
  }
  const char *hello = "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\",\"supportedConnectionTypes\":[\"websocket\"]}]";
  send_frame(peer->fd, 1, hello, strlen(hello));
  expect(peer, "\"clientId\":\"", found, sizeof found);
  sscanf(found, "\"clientId\":\"%127[^\"]", id);
  snprintf(text, sizeof text, "[{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\",\"subscription\":\"/api/todos\"}]", id);
  send_frame(peer->fd, 1, text, strlen(text));
  expect(peer, "/meta/subscribe", found, sizeof found);
  /* Apart from it: Faye answers what comes together when the last of it is answered. */
  snprintf(text, sizeof text, "[{\"channel\":\"/meta/connect\",\"clientId\":\"%s\",\"connectionType\":\"websocket\"}]", id);
  send_frame(peer->fd, 1, text, strlen(text));
}

static void create(struct peer *peer) {
  char body[128], text[512];
  if (sent == MOST) fail("more than %d todos", MOST);
  int length = snprintf(body, sizeof body, "{\"title\":\"t%08ld\",\"completed\":false,\"order\":%ld}", sent, sent);
  int whole = snprintf(text, sizeof text,
                       "POST /api/todos HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                       "Content-Length: %d\r\n\r\n%s",
                       port, length, body);
  peer->number = sent;
  sent_at[sent++] = now();
  send_all(peer->fd, text, whole);
}

/* Whether the answer is whole: as long as it says, or up to its last chunk. */
static int is_answered(struct peer *peer) {
  char *end = strstr(peer->buffer, "\r\n\r\n"), *length = end ? strcasestr(peer->buffer, "content-length:") : NULL;
  if (!end) return 0;
  if (length && length < end) {
    if (peer->used < end + 4 - peer->buffer + atol(length + 15)) return 0;
  } else if (!strstr(end, "\r\n0\r\n\r\n")) {
    return 0;
  }
  if (strncmp(peer->buffer + 8, " 201", 4)) failed++;
  drop(peer, peer->used); /* nothing else was asked for */
  return 1;
}

static void hear(struct peer *peer, double at) {
  int opcode;
  char *text;
  size_t length, whole, done = 0;
  struct peer rest = *peer;
  while (rest.buffer = peer->buffer + done, rest.used = peer->used - done,
         (whole = frame_of(&rest, &opcode, &text, &length))) {
    done += whole;
    if (opcode == 9) send_frame(peer->fd, 10, text, length);
    if (opcode == 8) fail("a subscriber was closed by the server");
    if (!is_bayeux && length == 1 && *text == '2') send_frame(peer->fd, 1, "3", 1);
    for (char *end = text + length; (text = memmem(text, end - text, TITLE, sizeof TITLE - 1));) {
      text += sizeof TITLE - 1;
      long number = atol(text);
      if (number < 0 || number >= sent) fail("a push of a todo that was not sent: %ld", number);
      note(&pushes, at - sent_at[number]);
      pushed++;
    }
  }
  drop(peer, done);
}

int main(int count, char **given) {
  if (count != 6) fail("usage: write PORT bayeux|socketio SUBSCRIBERS CONNECTIONS SECONDS");
  port = atoi(given[1]), is_bayeux = !strcmp(given[2], "bayeux");
  int subscribers = atoi(given[3]), connections = atoi(given[4]), all = subscribers + connections;
  double seconds = atof(given[5]);
  sent_at = malloc(MOST * sizeof *sent_at);
  answers.buckets = calloc(BUCKETS, sizeof(uint32_t)), pushes.buckets = calloc(BUCKETS, sizeof(uint32_t));
  struct peer *peers = calloc(all, sizeof *peers);
  int poll = epoll_create1(0);
  for (int place = 0; place < all; place++) {
    if (place < subscribers) {
      subscribe(&peers[place]);
    } else {
      peers[place].fd = connected(), peers[place].buffer = malloc(BUFFER);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &peers[place]};
    epoll_ctl(poll, EPOLL_CTL_ADD, peers[place].fd, &event);
  }
  double begin = now(), end = begin + seconds, last = begin;
  for (int place = subscribers; place < all; place++) create(&peers[place]);
  while (answered < sent || pushed < (sent - failed) * subscribers) {
    struct epoll_event events[256];
    int ready = epoll_wait(poll, events, 256, 1000);
    if (now() > end + PATIENCE) fail("after %d s: %ld of %ld pushes", PATIENCE, pushed, sent * subscribers);
    for (int place = 0; place < ready; place++) {
      struct peer *peer = events[place].data.ptr;
      receive(peer);
      last = now();
      if (peer->is_subscriber) {
        hear(peer, last);
      } else if (is_answered(peer)) {
        answered++;
        note(&answers, last - sent_at[peer->number]);
        if (last < end) create(peer);
      }
    }
  }
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double busy = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  printf("{\"created\": %ld, \"failed\": %ld, \"pushed\": %ld, \"seconds\": %.4f, \"busy\": %.4f, "
         "\"answer_p50\": %.3f, \"answer_p99\": %.3f, \"push_p50\": %.3f, \"push_p99\": %.3f}\n",
         answered - failed, failed, pushed, last - begin, busy, quantile(&answers, 0.5), quantile(&answers, 0.99),
         quantile(&pushes, 0.5), quantile(&pushes, 0.99));
  return 0;
}
