/* One event of a batch: from JSON to records, or to a reason why not. */
#ifndef COHORT_WEB_EVENT_ITEM_H
#define COHORT_WEB_EVENT_ITEM_H

#include <jansson.h>

#include "base/buffer.h"
#include "codec/record.h"
#include "core/plan.h"
#include "web/api.h"

#define EVENT_UNITS_MAX 8

/* Against what an event is judged. */
struct event_rules {
    const struct plan *plan;
    const struct api_options *options;
    int64_t now_us;
    bool trusted;
    bool need_token; /* of whoever reports: an event token that has the event's units */
};

/* Why an event was refused: a stable word, and a sentence with the field's name and what would be right. */
struct event_refusal {
    const char *code;
    char text[400];
};

/* What every event has. */
struct event_item {
    const char *id_text; /* as sent, or NULL when it is no UUID */
    uint8_t id[16];
    int64_t ts_us;
    bool has_decision;
    uint8_t decision[16];
    size_t n_units;
    struct {
        const char *type;
        struct unit unit;
    } units[EVENT_UNITS_MAX];
};

/* Fills *out with the fields common to both kinds and checks that there is no other field than `fields` (NULL
 * at the end). 0, or ERR_INVALID with *why. */
int event_item_read(const json_t *v, const struct event_rules *rules, const char *const *fields,
                    struct event_item *out, struct event_refusal *why);

/* 0; 1 for a time too far ahead of now; -1 for one that is too old. */
int event_time_fit(int64_t ts_us, const struct event_rules *rules);

/* What was sent, for a refusal's sentence. A refusal is kept, and a raw id must not be kept that way, so only
 * what has a key's shape is quoted. */
const char *event_quotable(const char *s, size_t len);

/* Sets *why and returns ERR_INVALID. */
int event_refuse(struct event_refusal *why, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends the record; ERR_NOMEM when there is no room. */
int event_append(struct buffer *out, const struct record *rec);

/* Appends the dead letter of a refused event: its known fields with hashed units, never a raw id. */
int event_bury(struct buffer *out, const json_t *v, const char *kind, const struct event_rules *rules,
               const struct event_refusal *why);
/* The same for one that is no JSON: only its hash and length are kept. */
int event_bury_text(struct buffer *out, const char *text, size_t len, const char *kind,
                    const struct event_rules *rules, const struct event_refusal *why);

#endif
