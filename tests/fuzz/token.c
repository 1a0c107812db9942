/* Bytes as sticky, event and stream tokens: none is believed that was not made with the key; one that was
 * made reads back as it was, and not with any character changed. */
#include <string.h>

#include "core/event_token.h"
#include "core/stream_token.h"
#include "core/token.h"
#include "fuzz.h"

#define NOW_US INT64_C(1793620000000000)

static uint32_t u32(struct fuzz_input *in)
{
    return (uint32_t)fuzz_u16(in) << 16 | fuzz_u16(in);
}

/* Exactly the text is a token, and no other of its length that differs in one character. */
static void check_made(const struct plan *p, const char *text, struct fuzz_input *in)
{
    char other[TOKEN_TEXT_MAX + 1];
    struct token t;
    size_t n = strlen(text);
    memcpy(other, text, n);
    size_t at = fuzz_byte(in) % n;
    other[at] = (char)fuzz_byte(in);
    FUZZ_CHECK(token_check(p, other, n, &t) == (other[at] == text[at]));
    FUZZ_CHECK(!token_check(p, text, n - 1, &t));
}

static void made(const struct plan *p, struct fuzz_input *in)
{
    struct token t = {.experiment_id = (int32_t)u32(in),
                      .phase_id = (int32_t)u32(in),
                      .variant_id = (int32_t)u32(in),
                      .issued_us = (int64_t)((uint64_t)u32(in) << 24),
                      .has_decision = fuzz_byte(in) & 1,
                      .propensity_ppm = -1},
                 back = {0};
    char text[TOKEN_TEXT_MAX + 1];
    if (t.has_decision)
        t.propensity_ppm = (int32_t)(u32(in) % 1000001);
    token_make(p, &t, text);
    FUZZ_CHECK(strlen(text) == (t.has_decision ? TOKEN_TEXT_MAX : TOKEN_TEXT));
    FUZZ_CHECK(token_check(p, text, strlen(text), &back));
    FUZZ_CHECK(back.experiment_id == t.experiment_id && back.phase_id == t.phase_id &&
               back.variant_id == t.variant_id && back.issued_us == t.issued_us &&
               back.has_decision == t.has_decision && back.propensity_ppm == t.propensity_ppm);
    check_made(p, text, in);
}

static void made_for_events(const struct plan *p, struct fuzz_input *in)
{
    struct subject s;
    struct event_token t;
    struct unit u;
    char text[EVENT_TOKEN_TEXT + 1];
    subject_init(&s, "c-1", 3, NULL);
    int64_t expires = event_token_expiry(NOW_US, (int64_t)u32(in));
    FUZZ_CHECK(event_token_make(p, &s, expires, text) && subject_unit(p, &s, "user", &u));
    size_t n = strlen(text), at = fuzz_byte(in) % n;
    FUZZ_CHECK(event_token_check(p, text, n, NOW_US, &t) == EVENT_TOKEN_GOOD && event_token_has(&t, &u));
    FUZZ_CHECK(event_token_check(p, text, n, expires + 1000000, &t) == EVENT_TOKEN_EXPIRED);
    char was = text[at];
    text[at] = (char)fuzz_byte(in);
    FUZZ_CHECK((event_token_check(p, text, n, NOW_US, &t) == EVENT_TOKEN_FORGED) == (text[at] != was));
}

static void made_for_streams(const struct plan *p, struct fuzz_input *in)
{
    struct stream_token t = {.key_id = (int32_t)(u32(in) % 6 + 1)}, back;
    const struct plan *of;
    char text[STREAM_TOKEN_TEXT + 1];
    t.expires_us = stream_token_expiry(NOW_US, u32(in));
    FUZZ_CHECK(t.expires_us >= NOW_US + STREAM_TOKEN_LIFE_US - 1000000 &&
               t.expires_us <= NOW_US + 2 * STREAM_TOKEN_LIFE_US);
    FUZZ_CHECK(stream_token_make(p, &t, text));
    size_t n = strlen(text), at = fuzz_byte(in) % n;
    FUZZ_CHECK(n == STREAM_TOKEN_TEXT &&
               stream_token_check(fuzz_plans(), text, n, NOW_US, &back, &of) == STREAM_TOKEN_GOOD);
    FUZZ_CHECK(back.key_id == t.key_id && of == p);
    FUZZ_CHECK(stream_token_check(fuzz_plans(), text, n, t.expires_us + 1000000, &back, &of) ==
               STREAM_TOKEN_EXPIRED);
    char was = text[at];
    text[at] = (char)fuzz_byte(in);
    FUZZ_CHECK((stream_token_check(fuzz_plans(), text, n, NOW_US, &back, &of) == STREAM_TOKEN_FORGED) ==
               (text[at] != was));
}

void fuzz_token(const uint8_t *data, size_t len)
{
    struct fuzz_input in = {data, len};
    const struct plan *p = fuzz_plan_of_world();
    struct token t;
    struct event_token e;
    struct stream_token s;
    const struct plan *of;
    switch (fuzz_byte(&in) % 4) {
    case 0:
        made(p, &in);
        break;
    case 1:
        made_for_events(p, &in);
        break;
    case 2:
        made_for_streams(p, &in);
        break;
    default:
        FUZZ_CHECK(stream_token_check(fuzz_plans(), (const char *)in.p, in.left, NOW_US, &s, &of) ==
                   STREAM_TOKEN_FORGED);
        FUZZ_CHECK(!token_check(p, (const char *)in.p, in.left, &t));
        FUZZ_CHECK(event_token_check(p, (const char *)in.p, in.left, NOW_US, &e) == EVENT_TOKEN_FORGED);
    }
}
