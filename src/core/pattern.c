#include "core/pattern.h"

#include <stdalign.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* The compiled code lives in the plan's arena and is freed with it: PCRE2 takes its memory from the arena and
 * gives none back. That leaves the just-in-time compiler out, whose code is memory of its own that somebody
 * would have to free. Measured with PCRE2 10.42 (ns a search; interpreter, interpreter that counts its steps,
 * just in time): "-12-25$" in a date 201, 347, 64; "^.+@(foo|example)\.com$" in an address 738, 1512, 109;
 * "(Mobile|Tablet)" in a browser's name 1789, 1900, 74; "iPhone.*Version/(1[5-9]|2\d)" there 3081, 4666, 284.
 * To compile one: 15, 16 and 80 us, and pages that are writable and executable in turn. The steps are
 * counted because they alone bound a search: PCRE2's match limit starts anew at every position of the text,
 * and "(?:a|a)*+(?=b)" took the just-in-time code 46 ms in 8 KB under a limit of 10,000.
 *
 * A search's own memory (match data, stack of backtracking) is a buffer on the caller's stack, so that
 * a pattern has no state and threads share it without a lock. Setting it up costs 50 ns. */

#define FIXED_BYTES 1024
#define HEAP_KIB 160 /* the largest stack of backtracking */
#define BLOCK_BYTES                                                                                          \
    ((size_t)(HEAP_KIB + 80) * 1024) /* and the one before, half its size, alive while it grows */
#define DEEPEST_GROUP 50

struct pattern {
    pcre2_code *code;
};

/* --- compiling --- */

static void *take_from_arena(size_t n, void *arena)
{
    return arena_alloc(arena, n);
}

static void keep(void *p, void *unused)
{
    (void)p;
    (void)unused;
}

static int refuse(const char *s, size_t len, int problem, size_t at, struct error *e)
{
    char words[160];
    if (problem == PCRE2_ERROR_HEAP_FAILED)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    if (pcre2_get_error_message(problem, (PCRE2_UCHAR *)words, sizeof words) < 0)
        words[0] = '\0';
    int shown = len > 100 ? 100 : (int)len;
    return error_set(e, ERR_INVALID, NULL, "the regular expression \"%.*s\"%s is wrong at byte %zu: %s",
                     shown, s, shown < (int)len ? "…" : "", at, words);
}

int pattern_compile(struct arena *a, const char *s, size_t len, bool caseless, const struct pattern **out,
                    struct error *e)
{
    *out = NULL;
    if (len > PATTERN_MAX)
        return error_set(e, ERR_INVALID, NULL, "a regular expression has at most %d bytes, not %zu",
                         PATTERN_MAX, len);
    struct pattern *p = arena_alloc(a, sizeof *p);
    pcre2_general_context *general = pcre2_general_context_create(take_from_arena, keep, a);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    if (!p || !context)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
    pcre2_set_parens_nest_limit(context, DEEPEST_GROUP);
    uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY |
                       PCRE2_AUTO_CALLOUT | (caseless ? PCRE2_CASELESS : 0);
    int problem;
    PCRE2_SIZE at;
    p->code = pcre2_compile((PCRE2_SPTR)s, len, options, &problem, &at, context);
    if (!p->code)
        return refuse(s, len, problem, at, e);
    *out = p;
    return 0;
}

/* --- searching --- */

/* Memory for one search. Contexts and match data are small and stay; the stack of backtracking is one block
 * that is replaced by a larger one when it is full, so blocks are taken from either end in turn. */
struct room {
    size_t small;     /* bytes used of fixed */
    size_t low, high; /* what is free of blocks is [low, high) */
    bool newest_is_high;
    alignas(max_align_t) unsigned char fixed[FIXED_BYTES];
    alignas(max_align_t) unsigned char blocks[BLOCK_BYTES];
};

static void *take(size_t n, void *data)
{
    struct room *r = data;
    const size_t align = alignof(max_align_t);
    n = (n + align - 1) / align * align;
    if (n <= FIXED_BYTES - r->small) {
        r->small += n;
        return r->fixed + r->small - n;
    }
    if (n > r->high - r->low)
        return NULL;
    r->newest_is_high = !r->newest_is_high;
    if (r->newest_is_high)
        return r->blocks + (r->high -= n);
    r->low += n;
    return r->blocks;
}

/* Given back is a block only, and only the one at the other end than the newest. */
static void give_back(void *p, void *data)
{
    struct room *r = data;
    if (!p)
        return;
    if (r->newest_is_high)
        r->low = 0;
    else
        r->high = BLOCK_BYTES;
}

struct count {
    uint32_t left, price; /* price of a step: its loops over single characters grow with the text */
};

static int count_step(pcre2_callout_block *block, void *data)
{
    struct count *c = data;
    (void)block;
    if (c->left < c->price) {
        c->left = 0;
        return PCRE2_ERROR_CALLOUT;
    }
    c->left -= c->price;
    return 0;
}

/* Not inlined: its stack is taken only while a pattern is looked for. */
static __attribute__((noinline)) int search(const struct pattern *p, const char *s, size_t len,
                                            struct count *count)
{
    struct room room;
    room.small = room.low = 0;
    room.high = BLOCK_BYTES;
    room.newest_is_high = true;
    pcre2_general_context *general = pcre2_general_context_create(take, give_back, &room);
    pcre2_match_data *data = general ? pcre2_match_data_create(1, general) : NULL;
    pcre2_match_context *context = general ? pcre2_match_context_create(general) : NULL;
    if (!data || !context)
        return PCRE2_ERROR_NOMEMORY;
    pcre2_set_heap_limit(context, HEAP_KIB);
    pcre2_set_callout(context, count_step, count);
    return pcre2_match(p->code, (PCRE2_SPTR)s, len, 0, 0, data, context);
}

enum pattern_answer pattern_find(const struct pattern *p, const char *s, size_t len, uint32_t *steps)
{
    struct count count = {.left = *steps, .price = 2 + (uint32_t)(len / 128)};
    if (len > PATTERN_SUBJECT_MAX || count.left < count.price)
        return PATTERN_GAVE_UP;
    count.left -= count.price;
    int rc = search(p, s, len, &count);
    *steps = count.left;
    if (rc >= 0)
        return PATTERN_YES;
    return rc == PCRE2_ERROR_NOMATCH ? PATTERN_NO : PATTERN_GAVE_UP;
}
