/* libcohort-client: flags and events of cohortd for C programs.
 *
 *     struct cohort_options o = cohort_options("http://127.0.0.1:8440", key);
 *     struct cohort_client *c;
 *     if (cohort_open(&c, &o, NULL) != COHORT_OK) …
 *     struct cohort_context *who = cohort_context_new("c-17");
 *     puts(cohort_string(c, who, "checkout_cta", "Buy now"));
 *     cohort_track(c, who, "purchase");
 *     cohort_context_free(who);
 *     cohort_close(c, 5000);
 *
 * A client may be used by any number of threads; a context by one at a time. Texts are UTF-8 and
 * NUL-terminated, those that go in are copied. An evaluation never fails: whatever happens, there is your
 * default, for a context of NULL too.
 * What is tracked is kept in a bounded queue and sent by a thread of the client's; each event gets its id
 * once, so that sending it again changes nothing. */
#ifndef COHORT_CLIENT_H
#define COHORT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define COHORT_API __attribute__((visibility("default")))
#else
#define COHORT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct cohort_client;
struct cohort_context;

enum cohort_code {
    COHORT_OK = 0,
    COHORT_INVALID = -1,     /* an argument is wrong */
    COHORT_NOMEM = -2,       /* out of memory; nothing was done */
    COHORT_IO = -4,          /* the queue file can't be used */
    COHORT_UNAVAILABLE = -8, /* not within the time given */
};

struct cohort_error {
    int code;       /* enum cohort_code */
    char text[256]; /* a sentence */
};

/* What a program should hear of; each is said once until it is over, a refused event every time. */
enum cohort_trouble_kind {
    COHORT_TROUBLE_AWAY = 1, /* the server does not answer, or answers 5xx or 429; or somebody else answers */
    COHORT_TROUBLE_KEY,      /* 401 or 403: the key is wrong, was revoked or has another role */
    COHORT_TROUBLE_ADDRESS,  /* 404, another 4xx, a redirect: is this cohortd's address? */
    COHORT_TROUBLE_TLS,      /* the certificate does not match */
    COHORT_TROUBLE_FULL,     /* the queue is full: the oldest events are dropped */
    COHORT_TROUBLE_REFUSED,  /* the server rejected an event, and says why */
    COHORT_TROUBLE_CLOCK,    /* this machine's clock is more than a minute off the server's */
    COHORT_TROUBLE_FILE,     /* the queue file can't be written: events are in memory only */
    COHORT_TROUBLE_PLAN,     /* local: a definition can't be used; its flags serve their fallback */
};

struct cohort_trouble {
    enum cohort_trouble_kind kind;
    const char *text;     /* a sentence, for logs */
    const char *event_id; /* of a refused event, else NULL */
    const char *code;     /* the server's word why it was refused, else NULL */
};

/* Make one with cohort_options; whatever is left 0 or NULL has its default. */
struct cohort_options {
    size_t size;             /* of this struct, as your program knows it */
    const char *url;         /* "https://flags.example:8440" */
    const char *key;         /* "ck_events_…": a server's key; a client key's outcomes stop nothing */
    bool local;              /* decide here, with the server's definitions: needs a server's key */
    bool no_exposures;       /* evaluations only look: they are no exposures */
    unsigned timeout_ms;     /* of one request: 2000 */
    unsigned poll_ms;        /* local: between looks for new definitions: 5000 */
    unsigned queue_max;      /* events that wait at most: 10000 */
    unsigned batch_max;      /* events of one request: 100, at most 1000 */
    unsigned flush_ms;       /* how long an event waits for company: 500 */
    unsigned backoff_min_ms; /* 1000: doubled with each failure … */
    unsigned backoff_max_ms; /* … up to 60000 */
    const char *queue_file;  /* events wait in this file too, and survive a crash of the program (not of the
                                machine); it  holds raw ids. NULL: memory only. One client at a time has it */
    const char *ca_file;     /* certificates to trust, PEM; NULL: the system's */
    /* Called on any thread, one of the client's too. Must not call the client. */
    void (*on_trouble)(void *arg, const struct cohort_trouble *t);
    void *arg;
};

static inline struct cohort_options cohort_options(const char *url, const char *key)
{
    struct cohort_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.url = url;
    o.key = key;
    return o;
}

/* Starts the client's threads. Does not wait for the server: defaults are served until it answers. e may be
 * NULL. COHORT_INVALID: an option is wrong; COHORT_IO: the queue file. */
COHORT_API int cohort_open(struct cohort_client **out, const struct cohort_options *o,
                           struct cohort_error *e);

/* Sends what waits, for at most so many milliseconds, and ends the client. How many events are left: with a
 * queue file the next client sends them, else they are lost. NULL is fine. No other thread may use the client
 * any more. */
COHORT_API size_t cohort_close(struct cohort_client *c, unsigned deadline_ms);

/* Sends what waits without delay and waits for it. COHORT_UNAVAILABLE: not all within that time. */
COHORT_API int cohort_flush(struct cohort_client *c, unsigned deadline_ms);

/* Local: waits for the first definitions. COHORT_OK at once when there are some, or nothing is local. */
COHORT_API int cohort_wait_ready(struct cohort_client *c, unsigned deadline_ms);

/* Local: looks for new definitions now; returns at once. For whoever is told of a change. */
COHORT_API void cohort_refresh(struct cohort_client *c);

/* Another key from now on, for all requests. COHORT_INVALID, COHORT_NOMEM. */
COHORT_API int cohort_set_key(struct cohort_client *c, const char *key);

/* Who it is about. targeting_key: the id of the user, 1 to 512 bytes. NULL: that is wrong, or out of memory.
 */
COHORT_API struct cohort_context *cohort_context_new(const char *targeting_key);
COHORT_API void cohort_context_free(struct cohort_context *x); /* NULL is fine */

/* Attributes, which conditions ask about; the last one of a name counts. COHORT_INVALID: no valid UTF-8, NaN,
 * not JSON, or a name that is empty or "targetingKey". */
COHORT_API int cohort_context_string(struct cohort_context *x, const char *name, const char *value);
COHORT_API int cohort_context_number(struct cohort_context *x, const char *name, double value);
COHORT_API int cohort_context_bool(struct cohort_context *x, const char *name, bool value);
COHORT_API int cohort_context_json(struct cohort_context *x, const char *name, const char *json);
/* The id of another unit type, such as device: an attribute that events name too. */
COHORT_API int cohort_context_unit(struct cohort_context *x, const char *type, const char *id);

/* A flag's value for the context, or absent. Texts live until the context is evaluated again or freed. An
 * object is JSON text. An integer is a number without a fraction. */
COHORT_API bool cohort_bool(struct cohort_client *c, struct cohort_context *x, const char *flag, bool absent);
COHORT_API int64_t cohort_integer(struct cohort_client *c, struct cohort_context *x, const char *flag,
                                  int64_t absent);
COHORT_API double cohort_number(struct cohort_client *c, struct cohort_context *x, const char *flag,
                                double absent);
COHORT_API const char *cohort_string(struct cohort_client *c, struct cohort_context *x, const char *flag,
                                     const char *absent);
COHORT_API const char *cohort_object(struct cohort_client *c, struct cohort_context *x, const char *flag,
                                     const char *absent);

/* A value of any type as JSON text. */
COHORT_API const char *cohort_json(struct cohort_client *c, struct cohort_context *x, const char *flag,
                                   const char *absent);

/* How the last value of a context came about. Members may be added at the end. Texts are never NULL but for
 * the two of errors, and live until the context is evaluated again or freed. */
struct cohort_details {
    bool absent;             /* your default was served: there is no value, or an error */
    int phase;               /* of the experiment; 0: none */
    int propensity;          /* the variant's share of those enrolled, parts per million; -1: none */
    int inclusion;           /* the share of units enrolled, parts per million; -1: none */
    int64_t plan_version;    /* of the definitions; 0: unknown */
    const char *variant;     /* "treatment", "default", …; "" after an error */
    const char *reason;      /* "VARIANT", "HOLDOUT", … (docs/http-api.md); "ERROR" */
    const char *experiment;  /* that decided or first fell back; "" none */
    const char *decision_id; /* a UUID; "": decided here without a bandit, or an error */
    const char *token; /* a note of the draw; where it is sticky: set it as the attribute cohortTokens; "" */
    const char *error; /* NULL, or OpenFeature's code: FLAG_NOT_FOUND, TYPE_MISMATCH, PROVIDER_NOT_READY, … */
    const char *error_text; /* NULL, or a sentence */
};
/* Of NULL: INVALID_CONTEXT. */
COHORT_API const struct cohort_details *cohort_details(const struct cohort_context *x);

/* What happened. value: NULL, or a number; attributes: NULL, or a JSON object; decision: NULL, or a
 * decision's id; id: NULL, or a UUID of yours, which counts once with the same ts_us; ts_us: microseconds
 * since 1970, 0: now. */
struct cohort_outcome {
    size_t size; /* of this struct */
    const char *name;
    const double *value;
    const char *attributes, *decision, *id;
    int64_t ts_us;
};

/* Keeps an outcome of the context's units to be sent. COHORT_OK: it is in the queue (and the queue file), and
 * leaves it only when a server has kept or refused it, or when the queue is full. COHORT_INVALID,
 * COHORT_NOMEM. */
COHORT_API int cohort_track(struct cohort_client *c, const struct cohort_context *x, const char *name);
COHORT_API int cohort_track_value(struct cohort_client *c, const struct cohort_context *x, const char *name,
                                  double value);
COHORT_API int cohort_track_outcome(struct cohort_client *c, const struct cohort_context *x,
                                    const struct cohort_outcome *o);

/* Reports that the last value of the context was seen, for experiments whose exposure is reported.
 * COHORT_INVALID: no phase of an experiment drew that value. */
COHORT_API int cohort_expose(struct cohort_client *c, const struct cohort_context *x);

/* Counts since cohort_open. kept = accepted + refused + dropped + waiting, with those found in the queue
 * file. */
struct cohort_stats {
    size_t size; /* of this struct, set by the caller */
    uint64_t kept, accepted, refused, dropped, waiting;
    uint64_t requests, failures; /* with events */
    uint64_t evaluations, defaults;
    int64_t plan_version; /* local; 0: none yet */
    int64_t plan_age_ms;  /* local: since the server last confirmed the definitions; -1: never */
};
COHORT_API void cohort_stats(struct cohort_client *c, struct cohort_stats *out);

COHORT_API const char *cohort_version(void); /* "0.1.0" */

#ifdef __cplusplus
}
#endif

#endif
