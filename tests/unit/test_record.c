/* Records survive being written and read, and bytes that are no record are refused without reading too far.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "codec/record.h"

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

START_TEST(every_kind_comes_back_as_written)
{
    uint8_t bytes[2048];
    size_t n = 0;
    for (int i = 0; i < KINDS; i++)
        n += write_one(i, bytes + n, sizeof bytes - n);
    const uint8_t *p = bytes;
    struct record r[KINDS], none;
    for (int i = 0; i < KINDS; i++)
        ck_assert_int_eq(record_read(&p, bytes + n, &r[i]), 1);
    ck_assert_int_eq(record_read(&p, bytes + n, &none), 0);
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
    const uint8_t *p = bytes;
    ck_assert_int_eq(record_read(&p, bytes + n, &r), 1);
    check_exposure(&r.u.exposure, &x.u.exposure);
    x = exposure();
    size_t longer = record_write(&x, again, sizeof again);
    ck_assert_uint_eq(again[5], 2);
    ck_assert_uint_eq(longer, n + 4 + x.u.exposure.segments.len);
    ck_assert_mem_eq(again + 6, bytes + 6, n - 6);
    again[5] = 1; /* says it is older and has more */
    p = again;
    ck_assert_int_eq(record_read(&p, again + longer, &r), ERR_DAMAGED);
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
    const uint8_t *p = bytes;
    ck_assert_int_eq(record_read(&p, bytes + n, &got), 1);
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

/* As a cohortd wrote it that knew no models; and one without a model is still written so. */
START_TEST(a_decision_of_version_2_is_read)
{
    uint8_t bytes[512], again[512];
    struct record d = decision(), c = chosen(), got;
    size_t n = record_write(&d, bytes, sizeof bytes), longer = record_write(&c, again, sizeof again);
    ck_assert_uint_eq(bytes[5], 2);
    ck_assert_uint_eq(again[5], 3);
    ck_assert_uint_eq(longer, n + 4 + 4 + c.u.decision.eligible.len);
    ck_assert_mem_eq(again + 6, bytes + 6, n - 6);
    again[5] = 2; /* says it is older and has more */
    const uint8_t *p = again;
    ck_assert_int_eq(record_read(&p, again + longer, &got), ERR_DAMAGED);
}
END_TEST

/* A spool of the first release: its decisions end with their inputs. */
START_TEST(a_decision_of_version_1_is_read)
{
    uint8_t bytes[512];
    struct record d = decision(), got;
    size_t n = record_write(&d, bytes, sizeof bytes);
    ck_assert_uint_eq(bytes[5], 2);
    bytes[0] = (uint8_t)(n - 4);
    bytes[5] = 1;
    const uint8_t *p = bytes;
    ck_assert_int_eq(record_read(&p, bytes + n - 4, &got), 1);
    d.u.decision.holdout_id = 0;
    check_decision(&got.u.decision, &d.u.decision);
    ck_assert_ptr_eq(p, bytes + n - 4);
}
END_TEST

/* The copy has no byte to spare, so that the address sanitizer sees a read too far. */
static int read_copy(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    memcpy(copy, bytes, n);
    const uint8_t *p = copy;
    struct record r;
    int got = record_read(&p, copy + n, &r);
    ck_assert(got == 1 || p == copy);
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
    tcase_add_test(c, a_decision_of_version_2_is_read);
    tcase_add_test(c, a_decision_of_version_1_is_read);
    tcase_add_test(c, every_truncation_is_refused);
    tcase_add_test(c, no_flipped_bit_reads_too_far);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
