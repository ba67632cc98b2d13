// A round: the server publishes for a while, what arrives in the middle of it counts.
//
// So that nothing piles up, the server publishes no more than a window beyond what each client has. In the end it says how
// much it published, and each client must have received just that.
#include "load.h"

#include <stdio.h>
#include <string.h>

#define STEPS 4096  // more than a window has

enum phase { IDLE, WARMING, MEASURING, STOPPING, DRAINING };
static const uint64_t PATIENCE = 150000000000u, AGAIN = 10000000u;

static enum phase phase;
static unsigned step;
static int reached[STEPS];  // by how many clients, of the steps in flight
static uint64_t acknowledged, published;
static uint64_t warmed_at, measured_at, begun_at, ended_at;
static struct totals before, after;
static double cpu_before, cpu_after;

void round_begin(unsigned burst, unsigned window, unsigned warm, unsigned milliseconds) {
    step = window < 4 * burst ? burst : window / 4;
    memset(reached, 0, sizeof reached);
    acknowledged = published = 0;
    for (int each = 0; each < options.clients; each++) connections[each].count = 0;
    phase = WARMING;
    warmed_at = now() + (uint64_t)warm * 1000000u;
    measured_at = warmed_at + (uint64_t)milliseconds * 1000000u;
    wake_at(warmed_at);
    control("go %u %u\n", burst, window);
}

static void finish(void) {
    double seconds = (double)(ended_at - begun_at) / 1e9;
    printf("{\"messages\": %llu, \"frames\": %llu, \"bytes\": %llu, \"reads\": %llu, \"seconds\": %.6f, \"busy\": %.4f, "
           "\"published\": %llu}\n",
           (unsigned long long)(after.messages - before.messages), (unsigned long long)(after.frames - before.frames),
           (unsigned long long)(after.bytes - before.bytes), (unsigned long long)(after.reads - before.reads), seconds,
           (cpu_after - cpu_before) / seconds, (unsigned long long)published);
    phase = IDLE;
    wake_at(0);
}

static void finish_if_drained(void) {
    if (phase != DRAINING) return;
    for (int each = 0; each < options.clients; each++) {
        if (connections[each].count < published) return;
        if (connections[each].count > published)
            fail("client %d received %llu of %llu messages", each, (unsigned long long)connections[each].count,
                 (unsigned long long)published);
    }
    finish();
}

void round_count(struct connection *c, unsigned messages) {
    if (phase == IDLE) return;
    uint64_t from = c->count / step, to = (c->count + messages) / step;
    c->count += messages;
    while (from < to) {
        int *count = &reached[++from % STEPS];
        if (++*count < options.clients) continue;
        *count = 0;
        acknowledged = from * step;
        if (phase < STOPPING) control("ack %llu\n", (unsigned long long)acknowledged);
    }
    if (phase == DRAINING && c->count >= published) finish_if_drained();
}

void round_timer(void) {
    switch (phase) {
    case WARMING:
        begun_at = now();
        before = totals;
        cpu_before = cpu();
        phase = MEASURING;
        wake_at(measured_at);
        break;
    case MEASURING:
        if (totals.messages == before.messages && now() < measured_at + PATIENCE) {
            // The machine does other things, too: nothing is no rate yet.
            wake_at(now() + AGAIN);
            break;
        }
        ended_at = now();
        after = totals;
        cpu_after = cpu();
        phase = STOPPING;
        control("stop\n");
        wake_at(ended_at + PATIENCE);
        break;
    case STOPPING:
    case DRAINING:
        fail("not all that was published has come: %llu acknowledged of %llu", (unsigned long long)acknowledged,
             (unsigned long long)published);
    case IDLE:
        break;
    }
}

void round_stopped(uint64_t count) {
    published = count;
    phase = DRAINING;
    finish_if_drained();
}
