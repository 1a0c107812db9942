/* Records survive being written and read, and bytes that are no record are refused without reading too far.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "codec/record_list.h"
#include "core/error.h"

static struct record_text text(const char *s)
{
    return (struct record_text){s, strlen(s)};
}

static void fill(uint8_t *p, size_t n, uint8_t start)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(start + i);
}

static struct record exposure(void)
{
    struct record r = {.kind = RECORD_EXPOSURE};
    fill(r.u.exposure.unit.bytes, 16, 1);
    fill(r.u.exposure.event_id, 16, 50);
    fill(r.u.exposure.decision_id, 16, 90);
    r.u.exposure.experiment_id = 7;
    r.u.exposure.variant_id = INT32_MAX;
    r.u.exposure.phase_id = 3;
    r.u.exposure.propensity_ppm = -1;
    r.u.exposure.inclusion_ppm = 1000000;
    r.u.exposure.ts_us = INT64_MIN;
    r.u.exposure.has_decision = true;
    r.u.exposure.trusted = true;
    r.u.exposure.origin = ORIGIN_IMPORTED;
    r.u.exposure.segments = text("{\"country\":\"DE\",\"plan\":null}");
    return r;
}

static struct record outcome(void)
{
    struct record r = {.kind = RECORD_OUTCOME};
    fill(r.u.outcome.unit.bytes, 16, 2);
    fill(r.u.outcome.event_id, 16, 60);
    r.u.outcome.ts_us = 1790000000123456;
    r.u.outcome.name = text("unsubscribe");
    r.u.outcome.has_value = true;
    r.u.outcome.value_micro = -12500000;
    r.u.outcome.attributes = text("{\"plan\":\"pro\"}");
    return r;
}

static struct record decision(void)
{
    struct record r = {.kind = RECORD_DECISION};
    fill(r.u.decision.unit.bytes, 16, 3);
    fill(r.u.decision.decision_id, 16, 70);
    r.u.decision.ts_us = 1;
    r.u.decision.flag_id = 1;
    r.u.decision.experiment_id = 2;
    r.u.decision.counterfactual_id = 5;
    r.u.decision.reason = text("GUARD_STOP");
    r.u.decision.propensity_ppm = 500000;
    r.u.decision.inclusion_ppm = -1;
    r.u.decision.mode = MODE_BULK;
    r.u.decision.plan_version = 1LL << 40;
    r.u.decision.inputs = text("");
    r.u.decision.holdout_id = 12;
    r.u.decision.eligible = text("");
    return r;
}

static struct record dead_letter(void)
{
    struct record r = {.kind = RECORD_DEAD_LETTER};
    r.u.dead_letter.received_us = 42;
    r.u.dead_letter.kind = text("outcome");
    r.u.dead_letter.reason = text("unknown_event");
    r.u.dead_letter.detail = text("no metric uses \"unsubscrbe\"");
    r.u.dead_letter.body = text("{}");
    fill(r.u.dead_letter.body_hash, 32, 9);
    r.u.dead_letter.body_length = 77;
    r.u.dead_letter.has_event_id = true;
    fill(r.u.dead_letter.event_id, 16, 80);
    r.u.dead_letter.environment = text("staging");
    return r;
}

/* Of a contextual bandit. */
static struct record chosen(void)
{
    struct record r = decision();
    r.u.decision.model_id = 77;
    r.u.decision.eligible = text("{\"17\":300000,\"18\":700000}");
    return r;
}

static struct record (*const makers[])(void) = {exposure, outcome, decision, dead_letter, chosen};
enum { KINDS = 5 };

static size_t write_one(int i, uint8_t *out, size_t cap)
{
    struct record r = makers[i]();
    size_t size = record_size(&r);
    ck_assert_uint_gt(size, 8);
    ck_assert_uint_eq(record_write(&r, out, size - 1), 0);
    ck_assert_uint_le(size, cap);
    ck_assert_uint_eq(record_write(&r, out, cap), size);
    return size;
}

static void check_text(struct record_text a, struct record_text b)
{
    ck_assert_uint_eq(a.len, b.len);
    ck_assert(memcmp(a.s, b.s, a.len) == 0);
}

static void check_outcome(const struct record_outcome *a, const struct record_outcome *b)
{
    ck_assert_mem_eq(a->unit.bytes, b->unit.bytes, 16);
    ck_assert_mem_eq(a->event_id, b->event_id, 16);
    ck_assert_int_eq(a->ts_us, b->ts_us);
    check_text(a->name, b->name);
    check_text(a->attributes, b->attributes);
    ck_assert(a->has_value == b->has_value && a->value_micro == b->value_micro);
    ck_assert(a->has_decision == b->has_decision && a->trusted == b->trusted);
}

static void check_decision(const struct record_decision *a, const struct record_decision *b)
{
    ck_assert_mem_eq(a->unit.bytes, b->unit.bytes, 16);
    ck_assert_mem_eq(a->decision_id, b->decision_id, 16);
    ck_assert_int_eq(a->ts_us, b->ts_us);
    ck_assert_int_eq(a->flag_id, b->flag_id);
    ck_assert_int_eq(a->experiment_id, b->experiment_id);
    ck_assert_int_eq(a->variant_id, b->variant_id);
    ck_assert_int_eq(a->phase_id, b->phase_id);
    ck_assert_int_eq(a->counterfactual_id, b->counterfactual_id);
    check_text(a->reason, b->reason);
    ck_assert_int_eq(a->propensity_ppm, b->propensity_ppm);
    ck_assert_int_eq(a->inclusion_ppm, b->inclusion_ppm);
    ck_assert_int_eq(a->mode, b->mode);
    ck_assert_int_eq(a->plan_version, b->plan_version);
    check_text(a->inputs, b->inputs);
    ck_assert_int_eq(a->holdout_id, b->holdout_id);
    ck_assert_int_eq(a->model_id, b->model_id);
    check_text(a->eligible, b->eligible);
}

static void check_dead_letter(const struct record_dead_letter *a, const struct record_dead_letter *b)
{
    ck_assert_int_eq(a->received_us, b->received_us);
    check_text(a->kind, b->kind);
    check_text(a->reason, b->reason);
    check_text(a->detail, b->detail);
    check_text(a->body, b->body);
    ck_assert_mem_eq(a->body_hash, b->body_hash, 32);
    ck_assert_int_eq(a->body_length, b->body_length);
    ck_assert(a->has_event_id == b->has_event_id);
    ck_assert_mem_eq(a->event_id, b->event_id, 16);
    check_text(a->environment, b->environment);
}

static void check_exposure(const struct record_exposure *a, const struct record_exposure *b)
{
    ck_assert_mem_eq(a->unit.bytes, b->unit.bytes, 16);
    ck_assert_int_eq(a->experiment_id, b->experiment_id);
    ck_assert_int_eq(a->variant_id, b->variant_id);
    ck_assert_int_eq(a->phase_id, b->phase_id);
    ck_assert_int_eq(a->propensity_ppm, b->propensity_ppm);
    ck_assert_int_eq(a->inclusion_ppm, b->inclusion_ppm);
    ck_assert_int_eq(a->ts_us, b->ts_us);
    ck_assert_mem_eq(a->event_id, b->event_id, 16);
    ck_assert(a->has_decision == b->has_decision && a->trusted == b->trusted);
    ck_assert_mem_eq(a->decision_id, b->decision_id, 16);
    ck_assert_int_eq(a->origin, b->origin);
    check_text(a->segments, b->segments);
}

/* The only one. */
static struct record read_one(const uint8_t *bytes, size_t n)
{
    struct record_reader reader;
    struct record r, none;
    record_reader_init(&reader, bytes, n);
    ck_assert_int_eq(record_next(&reader, &r), 1);
    ck_assert_int_eq(record_next(&reader, &none), 0);
    return r;
}

static void check_damaged(const uint8_t *bytes, size_t n)
{
    struct record_reader reader;
    struct record r;
    record_reader_init(&reader, bytes, n);
    ck_assert_int_eq(record_next(&reader, &r), ERR_DAMAGED);
    ck_assert_int_eq(record_next(&reader, &r), ERR_DAMAGED);
    ck_assert_uint_eq(record_unread(&reader), n);
}

START_TEST(every_kind_comes_back_as_written)
{
    uint8_t bytes[2048];
    size_t n = 0;
    for (int i = 0; i < KINDS; i++)
        n += write_one(i, bytes + n, sizeof bytes - n);
    struct record_reader reader;
    struct record r[KINDS], none;
    record_reader_init(&reader, bytes, n);
    for (int i = 0; i < KINDS; i++)
        ck_assert_int_eq(record_next(&reader, &r[i]), 1);
    ck_assert_int_eq(record_next(&reader, &none), 0);
    ck_assert_uint_eq(record_unread(&reader), 0);
    struct record x = exposure(), o = outcome(), d = decision(), l = dead_letter(), c = chosen();
    ck_assert_int_eq(r[0].kind, RECORD_EXPOSURE);
    check_exposure(&r[0].u.exposure, &x.u.exposure);
    ck_assert_int_eq(r[1].kind, RECORD_OUTCOME);
    check_outcome(&r[1].u.outcome, &o.u.outcome);
    ck_assert_int_eq(r[2].kind, RECORD_DECISION);
    check_decision(&r[2].u.decision, &d.u.decision);
    ck_assert_int_eq(r[3].kind, RECORD_DEAD_LETTER);
    check_dead_letter(&r[3].u.dead_letter, &l.u.dead_letter);
    check_decision(&r[4].u.decision, &c.u.decision);
}
END_TEST

/* As a cohortd wrote it that knew no segments; and one without segments is still written so. */
START_TEST(an_exposure_of_an_older_version_is_read)
{
    uint8_t bytes[256], again[256];
    struct record x = exposure(), r;
    x.u.exposure.segments = text("");
    size_t n = record_write(&x, bytes, sizeof bytes);
    ck_assert_uint_eq(n, 8 + 16 + 5 * 4 + 8 + 16 + 1 + 16);
    ck_assert_uint_eq(bytes[5], 1);
    r = read_one(bytes, n);
    check_exposure(&r.u.exposure, &x.u.exposure);
    x = exposure();
    size_t longer = record_write(&x, again, sizeof again);
    ck_assert_uint_eq(again[5], 2);
    ck_assert_uint_eq(longer, n + 4 + x.u.exposure.segments.len);
    ck_assert_mem_eq(again + 6, bytes + 6, n - 6);
    again[5] = 1; /* says it is older and has more */
    check_damaged(again, longer);
}
END_TEST

/* As a cohortd wrote it that told no environment. */
START_TEST(a_dead_letter_of_an_older_version_is_read)
{
    uint8_t bytes[512], again[512];
    struct record l = dead_letter(), got;
    size_t longer = record_write(&l, again, sizeof again);
    l.u.dead_letter.environment = text("");
    size_t n = record_write(&l, bytes, sizeof bytes);
    ck_assert_uint_eq(bytes[5], 1);
    ck_assert_uint_eq(again[5], 2);
    ck_assert_uint_eq(longer, n + 4 + strlen("staging"));
    ck_assert_mem_eq(again + 6, bytes + 6, n - 6);
    got = read_one(bytes, n);
    check_dead_letter(&got.u.dead_letter, &l.u.dead_letter);
}
END_TEST

/* The bytes on disk are a contract: a spool outlives the binary that wrote it. */
START_TEST(the_format_does_not_move)
{
    struct record r = {.kind = RECORD_OUTCOME};
    r.u.outcome.name = text("ab");
    r.u.outcome.attributes = text("");
    r.u.outcome.ts_us = 0x0102030405060708;
    r.u.outcome.has_value = true;
    r.u.outcome.value_micro = -2;
    r.u.outcome.trusted = true;
    static const uint8_t want[] = {66,  0,   0,   0,   2,   1,   5,   0, /* size, kind, version, flags */
                                   0,   0,   0,   0,   0,   0,   0,   0,  0, 0, 0, 0, 0, 0, 0, 0, /* unit */
                                   0,   0,   0,   0,   0,   0,   0,   0,  0, 0, 0, 0, 0, 0, 0, 0, /* event */
                                   8,   7,   6,   5,   4,   3,   2,   1,                          /* ts */
                                   2,   0,   0,   0,   'a', 'b',                                  /* name */
                                   0,   0,   0,   0, /* attributes */
                                   254, 255, 255, 255, 255, 255, 255, 255};
    uint8_t got[128];
    size_t n = record_write(&r, got, sizeof got);
    ck_assert_uint_eq(n, sizeof want);
    ck_assert_mem_eq(got, want, sizeof want);
}
END_TEST

/* --- decisions as they were written before there were lists, by a cohortd of that time --- */

#define OLD_FIELDS                                                                                           \
    3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,            /* unit */                           \
        70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, /* decision */                       \
        1, 0, 0, 0, 0, 0, 0, 0,                                         /* time */                           \
        1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0,     /* flag … counterfactual */        \
        10, 0, 0, 0, 'G', 'U', 'A', 'R', 'D', '_', 'S', 'T', 'O', 'P',  /* reason */                         \
        32, 161, 7, 0, 255, 255, 255, 255,                              /* propensity, inclusion */          \
        1, 0, 0, 0, 0, 0, 1, 0, 0,                                      /* mode, the plan's version */       \
        14, 0, 0, 0, '{', '"', 'p', 'l', 'a', 'n', '"', ':', '"', 'p', 'r', 'o', '"', '}' /* inputs */

static const uint8_t version_1[] = {117, 0, 0, 0, 3, 1, 0, 0, OLD_FIELDS};
static const uint8_t version_2[] = {121, 0, 0, 0, 3, 2, 0, 0, OLD_FIELDS, 12, 0, 0, 0}; /* a holdout */
static const uint8_t version_3[] = {
    154, 0,   0,   0,   3,   3,   0,   0,   OLD_FIELDS, 12,  0,   0,   0, /* and: */
    77,  0,   0,   0,                                                     /* model */
    25,  0,   0,   0,   '{', '"', '1', '7', '"',        ':', '3', '0', '0', '0', '0',
    '0', ',', '"', '1', '8', '"', ':', '7', '0',        '0', '0', '0', '0', '}'};

static struct record old_decision(int version)
{
    struct record r = version == 3 ? chosen() : decision();
    r.u.decision.inputs = text("{\"plan\":\"pro\"}");
    if (version == 1)
        r.u.decision.holdout_id = 0;
    return r;
}

START_TEST(decisions_of_older_versions_are_read)
{
    static const struct {
        const uint8_t *bytes;
        size_t n;
    } old[] = {{version_1, sizeof version_1}, {version_2, sizeof version_2}, {version_3, sizeof version_3}};
    for (int i = 0; i < 3; i++) {
        struct record got = read_one(old[i].bytes, old[i].n), want = old_decision(i + 1);
        ck_assert_int_eq(got.kind, RECORD_DECISION);
        check_decision(&got.u.decision, &want.u.decision);
        uint8_t bytes[256];
        for (size_t cut = 1; cut < old[i].n; cut++)
            check_damaged(old[i].bytes, cut);
        memcpy(bytes, old[i].bytes, old[i].n);
        bytes[5] = i == 0 ? 2 : (uint8_t)i; /* says it is another and has too little, or too much */
        check_damaged(bytes, old[i].n);
    }
}
END_TEST

/* --- lists --- */

static const uint8_t list_of_two[] = {
    87,  0,   0,   0,   5,   1,   0,   0,            /* size, kind, version, flags */
    159, 47,                                         /* what is new */
    70,  71,  72,  73,  74,  75,                     /* decision, its time */
    76,  77,  78,  79,  80,  81,  82,  83,  84,  85, /* and the rest */
    3,   4,   5,   6,   7,   8,   9,   10,           /* unit */
    11,  12,  13,  14,  15,  16,  17,  18,           /* unit */
    2,   2,   4,   10,                               /* time, flag, experiment, counterfactual */
    10,  'G', 'U', 'A', 'R', 'D', '_', 'S', 'T', 'O', 'P', 192, 132, 61, /* reason, propensity */
    1,   1,   128, 128, 128, 128, 128, 64,  24, /* inclusion, mode, the plan's version, holdout */
    40,  4,   76,  77,  78,  79,  80,  81,  82,  83,  84,  1, /* what is new, decision */
    206, 15,  6,   130, 137, 122};                            /* flag, variant, inclusion */

START_TEST(the_format_of_lists_does_not_move)
{
    uint8_t got[512];
    struct record_list l = {0};
    struct record a = decision(), b = decision();
    b.u.decision.decision_id[15] = 1;
    b.u.decision.flag_id = 1000;
    b.u.decision.variant_id = 3;
    b.u.decision.inclusion_ppm = 1000000;
    size_t n = record_list_add(&l, &a.u.decision, got, 0, sizeof got);
    n = record_list_add(&l, &b.u.decision, got, n, sizeof got);
    ck_assert_uint_eq(n, sizeof list_of_two);
    ck_assert_mem_eq(got, list_of_two, n);
}
END_TEST

enum { MANY = 400 };

/* Of several people, each with a bulk of flags; everything changes now and then. */
static struct record_decision nth(unsigned i)
{
    static const char *const inputs[] = {"", "{\"plan\":\"pro\"}", "{\"plan\":\"free\",\"age\":41}"};
    struct record_decision d = i % 7 == 3 ? chosen().u.decision : decision().u.decision;
    fill(d.decision_id, 6, (uint8_t)(i / 20));
    fill(d.decision_id + 6, 10, (uint8_t)(7 * i));
    fill(d.unit.bytes, 16, (uint8_t)(i / 20));
    d.ts_us = i % 50 == 49 ? INT64_MIN : INT64_C(1790000000000000) + i / 20 * 700;
    d.flag_id = 1 + (int32_t)(i % 20);
    d.experiment_id = i % 3 ? INT32_MAX - (int32_t)i : INT32_MIN + (int32_t)i;
    d.variant_id = (int32_t)(i % 5);
    d.phase_id = (int32_t)(i * i % 1000);
    d.counterfactual_id = i % 4 ? 0 : 9;
    d.reason = text(i % 6 ? "SPLIT" : "DEFAULT");
    d.propensity_ppm = i % 8 ? 500000 : -1;
    d.inclusion_ppm = i % 9 ? 1000000 : 10;
    d.mode = i % 100 < 90 ? MODE_BULK : MODE_READ;
    d.plan_version = i % 101 ? 8 : INT64_MAX;
    d.inputs = text(inputs[i % 13 % 3]);
    d.holdout_id = i % 11 ? 0 : 4;
    return d;
}

/* Into memory that moves each time, as a buffer's does. */
static size_t write_many(uint8_t **bytes, unsigned n)
{
    struct record_list l = {0};
    size_t len = 0;
    *bytes = NULL;
    for (unsigned i = 0; i < n; i++) {
        struct record r = {.kind = RECORD_DECISION, .u.decision = nth(i)};
        size_t cap = len + record_most(&r);
        uint8_t *moved = malloc(cap);
        memcpy(moved, len ? *bytes : moved, len);
        free(*bytes);
        *bytes = moved;
        ck_assert_uint_eq(record_list_add(&l, &r.u.decision, moved, len, cap - 1), 0);
        size_t now = record_list_add(&l, &r.u.decision, moved, len, cap);
        ck_assert(now > len && now - len <= record_size(&r));
        len = now;
    }
    return len;
}

START_TEST(decisions_of_a_list_come_back_one_by_one)
{
    uint8_t *bytes;
    struct record_reader reader;
    struct record r;
    size_t n = write_many(&bytes, MANY);
    record_reader_init(&reader, bytes, n);
    for (unsigned i = 0; i < MANY; i++) {
        struct record_decision want = nth(i);
        ck_assert_uint_eq(record_unread(&reader), n); /* all of it is one record */
        ck_assert_int_eq(record_next(&reader, &r), 1);
        ck_assert_int_eq(r.kind, RECORD_DECISION);
        check_decision(&r.u.decision, &want);
    }
    ck_assert_int_eq(record_next(&reader, &r), 0);
    free(bytes);
}
END_TEST

/* The list says once what the flags of a bulk share. */
START_TEST(a_bulk_takes_a_sixth_of_single_records)
{
    uint8_t bytes[4096];
    struct record_list l = {0};
    size_t n = 0;
    for (unsigned i = 0; i < 20; i++) {
        struct record r = {.kind = RECORD_DECISION, .u.decision = nth(1)};
        fill(r.u.decision.decision_id + 6, 10, (uint8_t)(7 * i));
        r.u.decision.flag_id += (int32_t)i;
        r.u.decision.experiment_id = 100 + (int32_t)i;
        n = record_list_add(&l, &r.u.decision, bytes, n, sizeof bytes);
    }
    ck_assert_uint_lt(6 * n, 20 * sizeof version_2);
}
END_TEST

/* Other records may lie between; large lists end. */
START_TEST(a_list_ends_where_it_must)
{
    static uint8_t bytes[400000];
    static char inputs[20000];
    struct record_list l = {0};
    struct record x = exposure(), r;
    struct record_decision d = nth(1);
    size_t n = record_list_add(&l, &d, bytes, 0, sizeof bytes);
    n += record_write(&x, bytes + n, sizeof bytes - n);
    memset(inputs, 'x', sizeof inputs);
    unsigned kinds = 0, records = 0, read = 0;
    for (unsigned i = 0; i < 12; i++) {
        inputs[0] = (char)('a' + i);
        d.inputs = (struct record_text){inputs, sizeof inputs};
        n = record_list_add(&l, &d, bytes, n, sizeof bytes);
    }
    for (size_t at = 0; at < n; records++) {
        kinds = 10 * kinds + bytes[at + 4];
        size_t size = bytes[at] | (size_t)bytes[at + 1] << 8 | (size_t)bytes[at + 2] << 16;
        ck_assert_uint_le(size, 65536 + sizeof inputs + 256);
        at += size;
    }
    ck_assert_uint_eq(kinds, 51555); /* three lists of four */
    struct record_reader reader;
    record_reader_init(&reader, bytes, n);
    while (record_next(&reader, &r) == 1)
        read++;
    ck_assert_uint_eq(read, 1 + 1 + 12);
    ck_assert_uint_eq(record_unread(&reader), 0);
}
END_TEST

/* What came before the damage was read; all of the record is what could not be read. */
START_TEST(a_damaged_list_keeps_what_came_before)
{
    uint8_t *bytes;
    struct record_reader reader;
    struct record r;
    size_t n = write_many(&bytes, 30);
    for (size_t cut = 1; cut < n; cut += 7) {
        uint8_t *copy = malloc(n - cut);
        size_t size = n - cut;
        memcpy(copy, bytes, size);
        memcpy(copy, (uint8_t[]){(uint8_t)size, (uint8_t)(size >> 8)}, size > 1 ? 2 : size);
        record_reader_init(&reader, copy, size);
        unsigned i = 0;
        int got;
        for (; (got = record_next(&reader, &r)) == 1; i++) {
            struct record_decision want = nth(i);
            check_decision(&r.u.decision, &want);
        }
        ck_assert(got == ERR_DAMAGED || record_unread(&reader) == 0); /* cut between two */
        if (got == ERR_DAMAGED) {
            ck_assert_uint_eq(record_unread(&reader), size);
            ck_assert_int_eq(record_next(&reader, &r), ERR_DAMAGED);
        }
        free(copy);
    }
    free(bytes);
}
END_TEST

/* The copy has no byte to spare, so that the address sanitizer sees a read too far. */
static int read_copy(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    struct record_reader reader;
    struct record r;
    record_reader_init(&reader, copy, n);
    int got = record_next(&reader, &r), more = got;
    ck_assert(got == 1 || record_unread(&reader) == n);
    while (more == 1)
        more = record_next(&reader, &r);
    free(copy);
    return got;
}

START_TEST(every_truncation_is_refused)
{
    uint8_t bytes[512];
    for (int i = 0; i < KINDS; i++) {
        size_t n = write_one(i, bytes, sizeof bytes);
        for (size_t cut = 1; cut < n; cut++)
            ck_assert_int_eq(read_copy(bytes, cut), ERR_DAMAGED);
        ck_assert_int_eq(read_copy(bytes, n), 1);
    }
}
END_TEST

START_TEST(no_flipped_bit_reads_too_far)
{
    uint8_t bytes[512];
    for (int i = 0; i < KINDS; i++) {
        size_t n = write_one(i, bytes, sizeof bytes);
        for (size_t bit = 0; bit < 8 * n; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            int got = read_copy(bytes, n);
            ck_assert(got == 1 || got == ERR_DAMAGED);
            if (bit < 48) /* size, kind and version */
                ck_assert_msg(got == ERR_DAMAGED, "kind %d bit %zu", i, bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("record");
    TCase *c = tcase_create("record");
    tcase_add_test(c, every_kind_comes_back_as_written);
    tcase_add_test(c, the_format_does_not_move);
    tcase_add_test(c, an_exposure_of_an_older_version_is_read);
    tcase_add_test(c, a_dead_letter_of_an_older_version_is_read);
    tcase_add_test(c, decisions_of_older_versions_are_read);
    tcase_add_test(c, the_format_of_lists_does_not_move);
    tcase_add_test(c, decisions_of_a_list_come_back_one_by_one);
    tcase_add_test(c, a_bulk_takes_a_sixth_of_single_records);
    tcase_add_test(c, a_list_ends_where_it_must);
    tcase_add_test(c, a_damaged_list_keeps_what_came_before);
    tcase_add_test(c, every_truncation_is_refused);
    tcase_add_test(c, no_flipped_bit_reads_too_far);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
