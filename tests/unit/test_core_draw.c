/* Draws and slots: worked numbers, edges, uniformity and independence. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/draw.h"
#include "core/slots.h"
#include "suite.h"

#define UNITS 200000u

static void counting_bytes(uint8_t *out, uint8_t first)
{
    for (size_t i = 0; i < 16; i++)
        out[i] = (uint8_t)(first + i);
}

/* Worked with Python's hashlib: sha256(bytes(range(32))) and sha256(bytes(range(48))). */
START_TEST(worked_draws)
{
    static const uint32_t by_unit[8] = {1661848873u, 1724134246u, 2433897544u, 3149028175u,
                                        4094862492u, 1932374728u, 2881599576u, 467079389u};
    static const uint32_t by_decision[8] = {1304281778u, 3056381959u, 1232624584u, 1107436397u,
                                            3157751767u, 1180721435u, 2388164911u, 217966275u};
    uint8_t salt[SALT_BYTES], decision[16];
    struct unit u;
    struct draw d;
    counting_bytes(salt, 0);
    counting_bytes(u.bytes, 16);
    counting_bytes(decision, 32);
    draw_unit(salt, &u, &d);
    ck_assert_mem_eq(d.w, by_unit, sizeof by_unit);
    draw_decision(salt, &u, decision, &d);
    ck_assert_mem_eq(d.w, by_decision, sizeof by_decision);
}
END_TEST

/* The example of docs/assignment.md: c-17 is in phase 2 and gets control; c-1 is in no phase. */
START_TEST(the_documented_example)
{
    static const struct {
        const char *raw;
        uint32_t traffic, phase_1, phase_2;
    } people[] = {{"c-3", 190185, 185986, 547579},
                  {"c-10", 176243, 819057, 289501},
                  {"c-17", 433944, 655748, 140883},
                  {"c-1", 758374, 679149, 205811}};
    uint8_t key[32], experiment[SALT_BYTES], phase_1[SALT_BYTES], phase_2[SALT_BYTES];
    struct unit_key k;
    counting_bytes(key, 0);
    counting_bytes(key + 16, 16);
    counting_bytes(experiment, 0xA0);
    counting_bytes(phase_1, 0xB0);
    counting_bytes(phase_2, 0xC0);
    unit_key_init(&k, key, sizeof key);
    for (size_t i = 0; i < sizeof people / sizeof *people; i++) {
        struct unit u;
        struct draw d;
        unit_from_raw(&k, "user", 4, people[i].raw, strlen(people[i].raw), &u);
        draw_unit(experiment, &u, &d);
        ck_assert_uint_eq(slot_of(d.w[DRAW_SELECT]), people[i].traffic);
        draw_unit(phase_1, &u, &d);
        ck_assert_uint_eq(slot_of(d.w[DRAW_VARIANT]), people[i].phase_1);
        draw_unit(phase_2, &u, &d);
        ck_assert_uint_eq(slot_of(d.w[DRAW_VARIANT]), people[i].phase_2);
    }
}
END_TEST

START_TEST(slots_at_the_edges)
{
    static const struct {
        uint32_t w, slot;
    } cases[] = {{0, 0},
                 {4294, 0},
                 {4295, 1},
                 {UINT32_C(2147483647), 499999},
                 {UINT32_C(2147483648), 500000},
                 {UINT32_C(4294963000), 999998},
                 {UINT32_C(4294963001), 999998},
                 {UINT32_MAX, 999999}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_uint_eq(slot_of(cases[i].w), cases[i].slot);
}
END_TEST

/* A slot's words are neighbours, so the share of every slot is 1 ppm to 2^-32. */
START_TEST(slots_grow_with_the_word)
{
    uint32_t previous = 0, changes = 0, jumps = 0;
    for (uint64_t w = 0; w <= UINT32_MAX; w += 1009) {
        uint32_t slot = slot_of((uint32_t)w);
        jumps += slot != previous && slot != previous + 1;
        changes += slot != previous;
        previous = slot;
    }
    ck_assert_uint_eq(jumps, 0);
    ck_assert_uint_eq(changes, SLOTS - 1);
}
END_TEST

static void fixed_key(struct unit_key *k)
{
    static const uint8_t key[32] = "a key of thirty-two bytes, fixed";
    unit_key_init(k, key, sizeof key);
}

static void unit_number(const struct unit_key *k, uint32_t i, struct unit *out)
{
    char raw[16];
    int n = snprintf(raw, sizeof raw, "c-%u", i);
    unit_from_raw(k, "user", 4, raw, (size_t)n, out);
}

static double chi_square(const uint32_t *counts, size_t bins, double expected)
{
    double sum = 0;
    for (size_t i = 0; i < bins; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return sum;
}

/* 100 bins, 99 degrees of freedom: above 170 is one in 10^5. Fixed inputs, so this is no gamble. */
START_TEST(draws_are_uniform)
{
    uint8_t salt[SALT_BYTES];
    static uint32_t counts[8][100];
    struct unit_key k;
    fixed_key(&k);
    counting_bytes(salt, 7);
    memset(counts, 0, sizeof counts);
    for (uint32_t i = 0; i < UNITS; i++) {
        struct unit u;
        struct draw d;
        unit_number(&k, i, &u);
        draw_unit(salt, &u, &d);
        for (size_t w = 0; w < 8; w++)
            counts[w][slot_of(d.w[w]) / (SLOTS / 100)]++;
    }
    for (size_t w = 0; w < 8; w++) {
        double x = chi_square(counts[w], 100, UNITS / 100.0);
        ck_assert_msg(x > 45 && x < 170, "w%zu: chi-square %.1f", w, x);
    }
}
END_TEST

/* Tables of 10 x 10, 81 degrees of freedom (the margins are known: 99): above 170 is one in 10^5. */
START_TEST(salts_and_words_are_independent)
{
    uint8_t one[SALT_BYTES], two[SALT_BYTES];
    static uint32_t salts[100], words[100], next_unit[100];
    struct unit_key k;
    uint32_t last = 0;
    fixed_key(&k);
    counting_bytes(one, 0);
    counting_bytes(two, 0);
    two[15] ^= 1; /* as alike as two salts can be */
    memset(salts, 0, sizeof salts);
    memset(words, 0, sizeof words);
    memset(next_unit, 0, sizeof next_unit);
    for (uint32_t i = 0; i < UNITS; i++) {
        struct unit u;
        struct draw a, b;
        unit_number(&k, i, &u);
        draw_unit(one, &u, &a);
        draw_unit(two, &u, &b);
        uint32_t bin = slot_of(a.w[DRAW_SELECT]) / 100000;
        salts[10 * bin + slot_of(b.w[DRAW_SELECT]) / 100000]++;
        words[10 * bin + slot_of(a.w[DRAW_VARIANT]) / 100000]++;
        next_unit[10 * bin + last]++;
        last = bin;
    }
    ck_assert_double_lt(chi_square(salts, 100, UNITS / 100.0), 170);
    ck_assert_double_lt(chi_square(words, 100, UNITS / 100.0), 170);
    ck_assert_double_lt(chi_square(next_unit, 100, UNITS / 100.0), 170);
}
END_TEST

/* --- slots --- */

static struct arena *arena;

static void open_arena(void)
{
    arena = arena_new();
    ck_assert_ptr_nonnull(arena);
}

static void close_arena(void)
{
    arena_free(arena);
}

START_TEST(no_ranges_belong_to_nobody)
{
    struct slots s;
    ck_assert_int_eq(slots_build(arena, NULL, 0, &s, NULL), 0);
    ck_assert_uint_eq(s.total, 0);
    ck_assert_uint_eq(slots_owner(&s, 0), SLOTS_NOBODY);
    ck_assert_uint_eq(slots_owner(&s, SLOTS - 1), SLOTS_NOBODY);
}
END_TEST

START_TEST(owners_at_both_ends_of_a_range)
{
    static const struct slot_range ranges[] = {
        {600000, 1000000, 2}, {0, 1, 0}, {500, 600, 1}, {600, 601, 0}, {601, 700, 0}};
    struct slots s;
    struct error e;
    ck_assert_int_eq(slots_build(arena, ranges, 5, &s, &e), 0);
    ck_assert_uint_eq(s.total, 400000 + 1 + 100 + 100);
    ck_assert_uint_eq(s.n, 4); /* [600,601) and [601,700) of one owner were joined */
    static const struct {
        uint32_t slot, owner;
    } cases[] = {{0, 0},
                 {1, SLOTS_NOBODY},
                 {499, SLOTS_NOBODY},
                 {500, 1},
                 {599, 1},
                 {600, 0},
                 {699, 0},
                 {700, SLOTS_NOBODY},
                 {600000, 2},
                 {999999, 2},
                 {1000000, SLOTS_NOBODY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(slots_owner(&s, cases[i].slot) == cases[i].owner, "slot %u", cases[i].slot);
}
END_TEST

START_TEST(wrong_ranges_are_refused)
{
    static const struct slot_range empty[] = {{5, 5, 0}}, backwards[] = {{6, 5, 0}},
                                   beyond[] = {{999999, 1000001, 0}}, huge[] = {{0, UINT32_MAX, 0}},
                                   overlap[] = {{0, 10, 0}, {20, 30, 1}, {9, 12, 1}},
                                   same_owner[] = {{0, 10, 0}, {0, 10, 0}};
    struct slots s;
    struct error e;
    ck_assert_int_eq(slots_build(arena, empty, 1, &s, &e), ERR_INVALID);
    ck_assert_int_eq(slots_build(arena, backwards, 1, &s, &e), ERR_INVALID);
    ck_assert_int_eq(slots_build(arena, beyond, 1, &s, &e), ERR_INVALID);
    ck_assert_int_eq(slots_build(arena, huge, 1, &s, &e), ERR_INVALID);
    ck_assert_int_eq(slots_build(arena, overlap, 3, &s, &e), ERR_INVALID);
    ck_assert_str_eq(e.text, "slots [0,10) and [9,12) overlap");
    ck_assert_int_eq(slots_build(arena, same_owner, 2, &s, &e), ERR_INVALID);
    ck_assert_uint_eq(s.n, 0);
}
END_TEST

/* One owner a slot, all of them; and one more, which must overlap. */
START_TEST(a_million_ranges)
{
    struct slot_range *r = calloc(SLOTS + 1, sizeof *r);
    struct slots s;
    ck_assert_ptr_nonnull(r);
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint32_t at = (uint32_t)(i * UINT64_C(7919) % SLOTS); /* in no order; 7919 is a prime */
        r[i] = (struct slot_range){at, at + 1, at % 1000};
    }
    ck_assert_int_eq(slots_build(arena, r, SLOTS, &s, NULL), 0);
    ck_assert_uint_eq(s.total, SLOTS);
    for (uint32_t i = 0; i < SLOTS; i += 997)
        ck_assert_uint_eq(slots_owner(&s, i), i % 1000);
    r[SLOTS] = (struct slot_range){3, 4, 0};
    ck_assert_int_eq(slots_build(arena, r, SLOTS + 1, &s, NULL), ERR_INVALID);
    free(r);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("draw");
    tcase_add_checked_fixture(tc, open_arena, close_arena);
    tcase_add_test(tc, worked_draws);
    tcase_add_test(tc, the_documented_example);
    tcase_add_test(tc, slots_at_the_edges);
    tcase_add_test(tc, slots_grow_with_the_word);
    tcase_add_test(tc, draws_are_uniform);
    tcase_add_test(tc, salts_and_words_are_independent);
    tcase_add_test(tc, no_ranges_belong_to_nobody);
    tcase_add_test(tc, owners_at_both_ends_of_a_range);
    tcase_add_test(tc, wrong_ranges_are_refused);
    tcase_add_test(tc, a_million_ranges);
    return run_case("draw", tc);
}
