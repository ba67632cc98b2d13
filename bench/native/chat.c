// CometD's standard load: clients in rooms publish batches at a rate; how long each message takes is counted.
//
// A message bears the time at which it was due, so that who keeps the generator waiting pays for it. Those of the first quarter
// don't count; those that have not come 5 seconds after the last one was due are lost.
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64
#define STEPS_PER_OCTAVE 64
#define BUCKETS (STEPS_PER_OCTAVE * 40)
static const uint64_t PATIENCE = 5000000000u;

bool is_chat;
static double rate;
static unsigned batch;
static uint64_t begun_at, counts_from, counts_to, due, sent, expected, arrived, in_time, counted, latest;
static uint64_t longest_wait;
static uint64_t buckets[BUCKETS];
static uint32_t chance = 1;
static double cpu_before;

static uint32_t draw(uint32_t below) {
    chance = chance * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)chance * below >> 32);
}

// Log-linear: each octave in equal steps, so a figure is at most 1/64 too high.
static unsigned bucket_of(uint64_t nanoseconds) {
    uint64_t microseconds = nanoseconds / 1000;
    if (microseconds < STEPS_PER_OCTAVE) return (unsigned)microseconds;
    unsigned octave = 63u - (unsigned)__builtin_clzll(microseconds) - 6u;
    unsigned index = (octave + 1) * STEPS_PER_OCTAVE + (unsigned)(microseconds >> octave) - STEPS_PER_OCTAVE;
    return index < BUCKETS ? index : BUCKETS - 1;
}

static double milliseconds_of(unsigned bucket) {
    if (bucket < STEPS_PER_OCTAVE) return (bucket + 1) / 1e3;
    unsigned octave = bucket / STEPS_PER_OCTAVE - 1;
    return (double)((uint64_t)(bucket % STEPS_PER_OCTAVE + STEPS_PER_OCTAVE + 1) << octave) / 1e3;
}

static double percentile(double part) {
    // What never came took longer than anything.
    uint64_t all = counted + (expected > arrived ? expected - arrived : 0), seen = 0, wanted = (uint64_t)((double)all * part);
    for (unsigned each = 0; each < BUCKETS; each++)
        if ((seen += buckets[each]) > wanted) return milliseconds_of(each);
    return (double)PATIENCE / 1e6;
}

static void publish(uint64_t at) {
    struct connection *c = &connections[draw((uint32_t)options.clients)];
    char *text = malloc((size_t)batch * 320);
    int size = sprintf(text, "[");
    for (unsigned each = 0; each < batch; each++) {
        unsigned room = (c->index + draw(ROOMS_EACH) * (ROOMS / ROOMS_EACH)) % ROOMS;
        size += sprintf(text + size,
                        "%s{\"channel\":\"/chat/%u\",\"clientId\":\"%s\",\"id\":\"p%llu\",\"data\":{\"~\":%llu,\"chat\":"
                        "\"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee\"}}",
                        each ? "," : "", room, c->id, (unsigned long long)sent++, (unsigned long long)at);
    }
    size += sprintf(text + size, "]");
    send_text(c, text, (size_t)size);
    free(text);
    expected += (uint64_t)batch * (uint64_t)options.clients * ROOMS_EACH / ROOMS;
}

static uint64_t due_of(uint64_t number) { return begun_at + (uint64_t)((double)number * 1e9 / rate); }

void chat_begin(double batches, unsigned size, unsigned milliseconds) {
    if (size > BATCH) fail("a batch has at most %d messages", BATCH);
    rate = batches;
    batch = size;
    sent = expected = arrived = in_time = counted = due = longest_wait = latest = 0;
    memset(buckets, 0, sizeof buckets);
    begun_at = now();
    counts_from = begun_at + (uint64_t)milliseconds * 250000u;
    counts_to = begun_at + (uint64_t)milliseconds * 1000000u;
    cpu_before = cpu();
    is_chat = true;
    wake_at(begun_at);
}

static void finish(void) {
    uint64_t end = latest > counts_to ? latest : counts_to;
    double seconds = (double)(counts_to - begun_at) / 1e9;
    printf("{\"expected\": %llu, \"arrived\": %llu, \"in_time\": %llu, \"seconds\": %.4f, \"drained\": %.4f, "
           "\"p50\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"late\": %.3f, \"busy\": %.4f}\n",
           (unsigned long long)expected, (unsigned long long)arrived, (unsigned long long)in_time, seconds,
           (double)(end - counts_to) / 1e9, percentile(0.5), percentile(0.99), percentile(0.999),
           (double)longest_wait / 1e6, (cpu() - cpu_before) / ((double)(now() - begun_at) / 1e9));
    is_chat = false;
    wake_at(0);
}

bool chat_timer(void) {
    if (!is_chat) return false;
    uint64_t time = now(), next;
    while ((next = due_of(due)) <= time && next < counts_to) {
        if (time - next > longest_wait) longest_wait = time - next;
        publish(next);
        due++;
        time = now();
    }
    if (next < counts_to) wake_at(next);
    else if (time < counts_to) wake_at(counts_to);
    else if (arrived >= expected || time > counts_to + PATIENCE) finish();
    else wake_at(counts_to + PATIENCE + 1);
    return true;
}

void chat_arrived(const char *text, size_t size) {
    const char *end = text + size;
    while ((text = memchr(text, MARK, (size_t)(end - text)))) {
        text += 1;
        const char *digits = text;
        while (digits < end && (*digits < '0' || *digits > '9')) digits++;
        uint64_t at = strtoull(digits, NULL, 10);
        // One of an earlier chat, which was given up.
        if (at < begun_at) continue;
        arrived++;
        latest = read_at;
        if (read_at <= counts_to) in_time++;
        if (at >= counts_from) {
            counted++;
            buckets[bucket_of(read_at - at)]++;
        }
    }
    if (arrived >= expected && read_at >= counts_to) finish();
}
