#include "ship_fill.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/record_list.h"

enum { PUSH_UNITS = 10 };

void die(const char *what, const char *why)
{
    fprintf(stderr, "ship_tool: %s: %s\n", what, why);
    exit(1);
}

struct spool *open_spool(const char *path)
{
    struct spool_options o = {path, 1ull << 40, 1000, 4096};
    struct spool *s;
    struct error e;
    if (spool_open(&s, &o, &e) != ERR_OK)
        die("spool_open", e.text);
    return s;
}

static void make_id(const char *what, unsigned long seed, unsigned long i, uint8_t out[16])
{
    char name[96];
    uint8_t hash[32];
    int n = snprintf(name, sizeof name, "%s %lu %lu", what, seed, i);
    crypto_hash_sha256(hash, (const uint8_t *)name, (unsigned long long)n);
    memcpy(out, hash, 16);
}

static struct record_text text(const char *s)
{
    return (struct record_text){s, strlen(s)};
}

static struct record exposure(unsigned long seed, unsigned long i, int64_t ts)
{
    struct record r = {.kind = RECORD_EXPOSURE};
    struct record_exposure *x = &r.u.exposure;
    make_id("unit", seed, i, x->unit.bytes);
    make_id("exposure", seed, i, x->event_id);
    x->experiment_id = 1;
    x->variant_id = 1 + (int32_t)(i % 2);
    x->phase_id = 1;
    x->propensity_ppm = 500000;
    x->inclusion_ppm = i % 3 ? 1000000 : -1;
    x->ts_us = ts;
    x->trusted = true;
    return r;
}

static struct record outcome(unsigned long seed, unsigned long i, int64_t ts)
{
    struct record r = {.kind = RECORD_OUTCOME};
    struct record_outcome *o = &r.u.outcome;
    make_id("unit", seed, i, o->unit.bytes);
    make_id("outcome", seed, i, o->event_id);
    o->ts_us = ts + 1;
    o->name = text("unsubscribe");
    o->has_value = i % 2;
    o->value_micro = (int64_t)i * 1000000;
    o->attributes = text(i % 5 ? "" : "{\"plan\":\"pro\"}");
    o->trusted = true;
    return r;
}

static struct record decision(unsigned long seed, unsigned long i, int64_t ts)
{
    struct record r = {.kind = RECORD_DECISION};
    struct record_decision *d = &r.u.decision;
    make_id("unit", seed, i, d->unit.bytes);
    make_id("decision", seed, i, d->decision_id);
    d->ts_us = ts;
    d->flag_id = 1;
    d->experiment_id = 1;
    d->variant_id = i % 7 ? 1 + (int32_t)(i % 2) : 0;
    d->reason = text("VARIANT");
    d->propensity_ppm = 500000;
    d->inclusion_ppm = 1000000;
    d->plan_version = 3;
    return r;
}

/* Records on their way into one push; decisions apart, so that they are lists as a server's. */
struct pile {
    uint8_t bytes[8 << 20], decisions[1 << 20];
    size_t len, decisions_len;
    struct record_list list;
    unsigned n;
};

static void pile_add(struct pile *p, const struct record *r)
{
    size_t room = sizeof p->bytes - sizeof p->decisions - p->len;
    size_t n = r->kind != RECORD_DECISION ? record_write(r, p->bytes + p->len, room)
                                          : record_list_add(&p->list, &r->u.decision, p->decisions,
                                                            p->decisions_len, sizeof p->decisions);
    if (n == 0)
        die("a record", "no room");
    if (r->kind == RECORD_DECISION)
        p->decisions_len = n;
    else
        p->len += n;
    p->n++;
}

static void on_done(void *arg, int code, const struct error *e)
{
    (void)arg;
    if (code != ERR_OK)
        die("commit", e->text);
}

static void pile_push(struct pile *p, struct spool *s)
{
    memcpy(p->bytes + p->len, p->decisions, p->decisions_len);
    if (p->n > 0 && spool_push(s, p->bytes, p->len + p->decisions_len, p->n, on_done, NULL) != ERR_OK)
        die("spool_push", "refused");
    p->len = p->decisions_len = 0;
    p->list = (struct record_list){0};
    p->n = 0;
}

void fill_push(const char *path, unsigned long seed, unsigned long units, int64_t ts)
{
    static struct pile p;
    struct spool *s = open_spool(path);
    for (unsigned long i = 0; i < units; i++) {
        struct record r[] = {exposure(seed, i, ts), outcome(seed, i, ts), decision(seed, i, ts)};
        for (int k = 0; k < 3; k++)
            pile_add(&p, &r[k]);
        if (i % PUSH_UNITS == PUSH_UNITS - 1)
            pile_push(&p, s);
    }
    pile_push(&p, s);
    spool_close(s);
}

void fill_poison(const char *path, unsigned long seed, int64_t ts)
{
    static struct pile p;
    struct spool *s = open_spool(path);
    for (unsigned long i = 0; i < 9; i++) {
        struct record r = outcome(seed, i, ts);
        if (i == 2)
            r.u.outcome.attributes = text("this is not JSON");
        if (i == 3)
            r.u.outcome.name = text("\xff\xfe");
        if (i == 8)
            r.u.outcome.ts_us = INT64_MIN;
        pile_add(&p, &r);
    }
    pile_push(&p, s);
    spool_close(s);
}

void fill_damage(const char *path, unsigned long seed, int64_t ts)
{
    static struct pile p;
    struct spool *s = open_spool(path);
    for (unsigned long i = 0; i < 4; i++) {
        struct record r = outcome(seed, i, ts);
        pile_add(&p, &r);
    }
    memset(p.bytes + p.len - 20, 0xEE, 40); /* the last record's end, and 20 bytes more */
    p.len += 20;
    pile_push(&p, s);
    spool_close(s); /* so that what follows is another group */
    s = open_spool(path);
    struct record r = outcome(seed, 10, ts);
    pile_add(&p, &r);
    pile_push(&p, s);
    spool_close(s);
}

/* Refused in every table, between records that are not: times, texts and JSON that PostgreSQL can't hold. */
void fill_poison_all(const char *path, unsigned long seed, int64_t ts)
{
    static struct pile p;
    struct spool *s = open_spool(path);
    for (unsigned long i = 0; i < 6; i++) {
        struct record r[] = {
            exposure(seed, i, ts), outcome(seed, i, ts), decision(seed, i, ts), {.kind = RECORD_DEAD_LETTER}};
        struct record_dead_letter *l = &r[3].u.dead_letter;
        l->received_us = ts;
        l->kind = text("outcome");
        l->reason = text("unknown_event");
        l->detail = text(i == 4 ? "\xff" : "a sentence");
        l->body = text(i == 5 ? "{" : "{}");
        if (i == 1)
            r[0].u.exposure.ts_us = INT64_MIN;
        if (i == 2)
            r[1].u.outcome.name = text("\xc3\x28");
        if (i == 3)
            r[2].u.decision.inputs = text("[1,");
        if (i == 5)
            r[2].u.decision.reason = text("\xff");
        for (int k = 0; k < 4; k++)
            pile_add(&p, &r[k]);
    }
    pile_push(&p, s);
    spool_close(s);
}

void fill_giant(const char *path, unsigned long seed, unsigned long units, int64_t ts)
{
    static struct pile p;
    struct spool *s = open_spool(path);
    for (unsigned long i = 0; i < units; i++) {
        struct record r = outcome(seed, i, ts);
        if (i % (units / 3) == 1)
            r.u.outcome.attributes = text("this is not JSON");
        pile_add(&p, &r);
    }
    pile_push(&p, s);
    spool_close(s);
}
