/* A client's beginning and end, and what its files share. */
#include <ctype.h>
#include <curl/curl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/c/client_private.h"

#define KEY_MAX 512
#define CLOCK_OFF_US (INT64_C(60) * 1000000)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool libraries_work;

static void init_libraries(void)
{
    libraries_work = sodium_init() >= 0 && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static int fail(struct cohort_error *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int fail(struct cohort_error *e, int code, const char *fmt, ...)
{
    va_list ap;
    if (!e)
        return code;
    e->code = code;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    return code;
}

const char *cohort_version(void)
{
    return PACKAGE_VERSION;
}

uint32_t client_random(void)
{
    return randombytes_random();
}

int64_t client_now_us(const struct cohort_client *c)
{
    return clock_wall_us() + atomic_load_explicit(&c->clock_off_us, memory_order_relaxed);
}

char *client_key(struct cohort_client *c)
{
    pthread_mutex_lock(&c->key_lock);
    char *key = strdup(c->key);
    pthread_mutex_unlock(&c->key_lock);
    return key;
}

static void note_clock(struct cohort_client *c, int64_t date_s)
{
    if (date_s == 0)
        return;
    int64_t off = date_s * 1000000 + 500000 - clock_wall_us();
    bool wrong = off > CLOCK_OFF_US || off < -CLOCK_OFF_US;
    atomic_store(&c->clock_off_us, wrong ? off : 0);
    if (wrong)
        say_once(&c->say, COHORT_TROUBLE_CLOCK,
                 "this machine's clock is %lld s %s the server's; events get the server's time",
                 (long long)(off > 0 ? off : -off) / 1000000, off > 0 ? "behind" : "ahead of");
    else
        say_over(&c->say, COHORT_TROUBLE_CLOCK);
}

void client_heard(struct cohort_client *c, const struct http_answer *a, bool ours, const char *what)
{
    note_clock(c, a->date_s);
    if (a->status == 0 && a->tls)
        say_once(&c->say, COHORT_TROUBLE_TLS, "%s: %s: %s", what, c->url, a->why);
    else if (a->status == 0)
        say_once(&c->say, COHORT_TROUBLE_AWAY, "%s: %s: %s", what, c->url, a->why);
    else if (a->status == 401 || a->status == 403)
        say_once(&c->say, COHORT_TROUBLE_KEY,
                 "%s: the server answers %ld: is the key right, and of a role that may?", what, a->status);
    else if (a->status == 429 || a->status >= 500)
        say_once(&c->say, COHORT_TROUBLE_AWAY, "%s: the server answers %ld", what, a->status);
    else if ((a->status < 300 && !ours) || (a->status == 400 && a->page))
        say_once(&c->say, COHORT_TROUBLE_AWAY, "%s: %s answers, but not as cohortd does", what, c->url);
    else if (a->status >= 300 && a->status != 304 && a->status != 400 && a->status != 413)
        say_once(&c->say, COHORT_TROUBLE_ADDRESS, "%s: %s answers %ld: is that cohortd's address?", what,
                 c->url, a->status);
    else
        for (int kind = COHORT_TROUBLE_AWAY; kind <= COHORT_TROUBLE_TLS; kind++)
            say_over(&c->say, (enum cohort_trouble_kind)kind);
}

/* --- beginning --- */

static bool is_key(const char *key)
{
    size_t n = key ? strlen(key) : 0;
    for (size_t i = 0; i < n; i++)
        if (!isgraph((unsigned char)key[i]))
            return false;
    return n > 0 && n <= KEY_MAX;
}

static bool is_url(const char *url)
{
    return url && strlen(url) < 2000 &&
           (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0) &&
           !strpbrk(url, " \t\r\n?#");
}

static char *copy_url(const char *url)
{
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/')
        n--;
    return strndup(url, n);
}

static unsigned or_default(unsigned value, unsigned absent)
{
    return value ? value : absent;
}

/* The caller's struct may be of an older version, and shorter. */
static void take_options(struct cohort_options *to, const struct cohort_options *from)
{
    memset(to, 0, sizeof *to);
    memcpy(to, from, from->size < sizeof *to ? from->size : sizeof *to);
    to->timeout_ms = or_default(to->timeout_ms, 2000);
    to->poll_ms = or_default(to->poll_ms, 5000);
    to->queue_max = or_default(to->queue_max, 10000);
    to->batch_max = or_default(to->batch_max, 100);
    to->flush_ms = or_default(to->flush_ms, 500);
    to->backoff_min_ms = or_default(to->backoff_min_ms, 1000);
    to->backoff_max_ms = or_default(to->backoff_max_ms, 60000);
}

static int check_options(const struct cohort_options *o, struct cohort_error *e)
{
    if (!is_url(o->url))
        return fail(e, COHORT_INVALID, "url: must be like \"https://flags.example:8440\", not \"%.100s\"",
                    o->url ? o->url : "");
    if (!is_key(o->key))
        return fail(e, COHORT_INVALID, "key: must be an API key, like \"ck_events_…\"");
    if (o->batch_max > QUEUE_BATCH_MAX)
        return fail(e, COHORT_INVALID, "batch_max: at most %d, not %u", QUEUE_BATCH_MAX, o->batch_max);
    if (o->backoff_max_ms < o->backoff_min_ms)
        return fail(e, COHORT_INVALID, "backoff_max_ms: at least backoff_min_ms (%u), not %u",
                    o->backoff_min_ms, o->backoff_max_ms);
    if (o->local && strncmp(o->key, "ck_client_", 10) == 0)
        return fail(e, COHORT_INVALID,
                    "local: needs a server's key (ck_events_…): browsers must not have the definitions");
    return COHORT_OK;
}

static int set_up(struct cohort_client *c, const struct cohort_options *o, struct cohort_error *e)
{
    pthread_condattr_t a;
    pthread_mutex_init(&c->key_lock, NULL);
    pthread_mutex_init(&c->calls_lock, NULL);
    pthread_mutex_init(&c->plan_lock, NULL);
    pthread_condattr_init(&a);
    pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
    pthread_cond_init(&c->plan_news, &a);
    pthread_condattr_destroy(&a);
    c->say.fn = o->on_trouble;
    c->say.arg = o->arg;
    c->timeout_ms = o->timeout_ms;
    c->poll_ms = o->poll_ms;
    c->batch_max = o->batch_max;
    c->flush_ms = o->flush_ms;
    c->backoff_min_ms = o->backoff_min_ms;
    c->backoff_max_ms = o->backoff_max_ms;
    c->away = (struct backoff){o->backoff_min_ms, o->backoff_max_ms < 30000 ? o->backoff_max_ms : 30000, 0};
    c->local = o->local;
    c->no_exposures = o->no_exposures;
    atomic_store(&c->end_at_us, INT64_MAX);
    /* A context that outlives its client must not take the next one's plans for those it knows. */
    atomic_store(&c->plan_generation, (unsigned long)client_random() << 20 | 1);
    atomic_store(&c->monitor_heard_us, INT64_MIN);
    atomic_store(&c->confirmed_us, INT64_MIN);
    c->url = copy_url(o->url);
    c->key = strdup(o->key);
    c->ca_file = o->ca_file ? strdup(o->ca_file) : NULL;
    c->seen = o->local ? calloc(SEEN_SIZE, sizeof *c->seen) : NULL;
    c->plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (!c->plain || !c->url || !c->key || (o->ca_file && !c->ca_file) || (o->local && !c->seen))
        return fail(e, COHORT_NOMEM, "out of memory");
    return queue_open(&c->queue, o->queue_max, o->queue_file, &c->say, e);
}

static void release(struct cohort_client *c)
{
    for (size_t i = 0; i < c->n_idle; i++)
        http_free(c->idle[i]);
    queue_close(c->queue);
    plan_unref(c->plan);
    pthread_cond_destroy(&c->plan_news);
    pthread_mutex_destroy(&c->plan_lock);
    pthread_mutex_destroy(&c->calls_lock);
    pthread_mutex_destroy(&c->key_lock);
    if (c->plain)
        freelocale(c->plain);
    free(c->seen);
    free(c->ca_file);
    free(c->url);
    if (c->key)
        sodium_memzero(c->key, strlen(c->key));
    free(c->key);
    free(c);
}

static int start(struct cohort_client *c, struct cohort_error *e)
{
    if (pthread_create(&c->sender, NULL, sender_run, c) != 0)
        return fail(e, COHORT_NOMEM, "no thread could be started");
    if (!c->local || pthread_create(&c->poller, NULL, poller_run, c) == 0)
        return COHORT_OK;
    queue_end(c->queue);
    pthread_join(c->sender, NULL);
    return fail(e, COHORT_NOMEM, "no thread could be started");
}

int cohort_open(struct cohort_client **out, const struct cohort_options *options, struct cohort_error *e)
{
    struct cohort_options o;
    *out = NULL;
    pthread_once(&once, init_libraries);
    if (!libraries_work)
        return fail(e, COHORT_NOMEM, "libcurl or libsodium can't be used");
    take_options(&o, options);
    int code = check_options(&o, e);
    struct cohort_client *c = code == COHORT_OK ? calloc(1, sizeof *c) : NULL;
    if (code == COHORT_OK && !c)
        code = fail(e, COHORT_NOMEM, "out of memory");
    if (!c)
        return code;
    code = set_up(c, &o, e);
    if (code == COHORT_OK)
        code = start(c, e);
    if (code != COHORT_OK)
        release(c);
    else
        *out = c;
    return code;
}

/* --- end --- */

static int64_t deadline(unsigned ms)
{
    return clock_monotonic_us() + (int64_t)ms * 1000;
}

int cohort_flush(struct cohort_client *c, unsigned deadline_ms)
{
    queue_hurry(c->queue, true);
    bool drained = queue_drained(c->queue, deadline(deadline_ms));
    queue_hurry(c->queue, false);
    return drained ? COHORT_OK : COHORT_UNAVAILABLE;
}

size_t cohort_close(struct cohort_client *c, unsigned deadline_ms)
{
    struct queue_counts left;
    if (!c)
        return 0;
    cohort_flush(c, deadline_ms);
    atomic_store(&c->end_at_us, 0);
    queue_end(c->queue);
    pthread_mutex_lock(&c->plan_lock);
    c->ending = true;
    pthread_cond_broadcast(&c->plan_news);
    pthread_mutex_unlock(&c->plan_lock);
    pthread_join(c->sender, NULL);
    if (c->local)
        pthread_join(c->poller, NULL);
    queue_counts(c->queue, &left);
    release(c);
    return (size_t)left.waiting;
}

int cohort_set_key(struct cohort_client *c, const char *key)
{
    if (!is_key(key))
        return COHORT_INVALID;
    char *copy = strdup(key);
    if (!copy)
        return COHORT_NOMEM;
    pthread_mutex_lock(&c->key_lock);
    char *old = c->key;
    c->key = copy;
    pthread_mutex_unlock(&c->key_lock);
    sodium_memzero(old, strlen(old));
    free(old);
    cohort_refresh(c);
    return COHORT_OK;
}

void cohort_stats(struct cohort_client *c, struct cohort_stats *out)
{
    struct queue_counts q;
    queue_counts(c->queue, &q);
    int64_t confirmed = atomic_load(&c->confirmed_us);
    pthread_mutex_lock(&c->plan_lock);
    int64_t version = c->plan ? plan_version(c->plan) : 0;
    pthread_mutex_unlock(&c->plan_lock);
    const struct cohort_stats s = {
        .size = out->size,
        .kept = q.kept,
        .accepted = q.accepted,
        .refused = q.refused,
        .dropped = q.dropped,
        .waiting = q.waiting,
        .requests = atomic_load(&c->requests),
        .failures = atomic_load(&c->failures),
        .evaluations = atomic_load(&c->evaluations),
        .defaults = atomic_load(&c->defaults),
        .plan_version = version,
        .plan_age_ms = confirmed == INT64_MIN ? -1 : (clock_monotonic_us() - confirmed) / 1000};
    memcpy(out, &s, out->size < sizeof s ? out->size : sizeof s);
}
