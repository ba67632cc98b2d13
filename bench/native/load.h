// The load generator's parts, and what they share. One process, one thread, one epoll.
//
//   load.c        arguments, the loop, commands from standard input
//   connection.c  sockets: opening them a few at a time, reading, writing
//   websocket.c   frames
//   dialogue.c    what each protocol says until a client hears, and to stay
//   round.c       a round of fan-out: what arrives in so many seconds
//   chat.c        rooms: clients publish at a rate, latencies are counted
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Stands once in each published message and nowhere else.
#define MARK '~'
#define ROOMS 100
#define ROOMS_EACH 10
#define LONGEST_ID 80

enum protocol { WS, BAYEUX, SOCKETIO, POLL };
enum stage { CLOSED, UPGRADING, OPENING, SUBSCRIBING, READY };

struct connection {
    int fd;
    enum stage stage;
    uint32_t index;
    uint64_t count;       // messages received in this round
    char *rest;           // a frame or an answer that has come in part
    uint32_t rest_size;
    char id[LONGEST_ID];  // the session's
};

struct options {
    enum protocol protocol;
    int port, control_port, clients, extra;
    bool rooms;
    const char *path;
};

struct totals {
    uint64_t messages, frames, bytes, reads;
};

extern struct options options;
extern struct connection *connections;
extern struct totals totals;
extern uint64_t read_at;  // when what is being looked at was read

// load.c
uint64_t now(void);                      // nanoseconds that only rise
double cpu(void);                        // seconds of processor used so far
void wake_at(uint64_t time);             // have the timer of the round or chat called
void control(const char *format, ...);   // a line to the server's control port
_Noreturn void fail(const char *format, ...);

// connection.c
void open_all(int epoll);
void opened(struct connection *c);
void readable(struct connection *c);
void write_all(struct connection *c, const char *bytes, size_t size);
extern int ready;

// websocket.c
void upgrade(struct connection *c);
size_t frames(struct connection *c, const char *bytes, size_t size);  // bytes used
void send_text(struct connection *c, const char *text, size_t size);

// dialogue.c
void begin(struct connection *c);
void heard(struct connection *c, const char *text, size_t size);  // no published message among it
size_t answers(struct connection *c, const char *bytes, size_t size);

// round.c and chat.c; one of them runs at a time
void round_begin(unsigned burst, unsigned window, unsigned warm, unsigned milliseconds);
void round_count(struct connection *c, unsigned messages);
void round_timer(void);
void round_stopped(uint64_t published);
void chat_begin(double batches, unsigned size, unsigned milliseconds);
void chat_arrived(const char *text, size_t size);
bool chat_timer(void);  // false: no chat is on
extern bool is_chat;

#endif
