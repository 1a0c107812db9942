#include "event_readers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/event_batch.h"
#include "web/event_outcome.h"
#include "web/event_quick.h"

static bool accept_all(const json_t *list, const struct event_rules *rules, struct buffer *records,
                       struct buffer *answer, unsigned *n_records)
{
    struct event_refusal why;
    json_t *v, *results = json_array();
    size_t i;
    bool ok = json_is_array(list) && json_array_size(list) > 0 && json_array_size(list) <= EVENTS_MAX;
    json_array_foreach((json_t *)list, i, v)
    {
        if (!ok || outcome_accept(v, rules, records, n_records, &why) != ERR_OK) {
            ok = false;
            break;
        }
        json_array_append_new(results,
                              json_pack("{sIssss}", "index", (json_int_t)i, "id",
                                        json_string_value(json_object_get(v, "id")), "status", "accepted"));
    }
    json_t *whole = json_pack("{sOsIsi}", "results", results, "accepted",
                              (json_int_t)json_array_size(results), "rejected", 0);
    char *text = json_dumps(whole, JSON_COMPACT);
    buffer_add_str(answer, text);
    free(text);
    json_decref(whole);
    json_decref(results);
    return ok;
}

static bool usual(const char *body, size_t len, const struct event_rules *rules, struct buffer *records,
                  struct buffer *answer, unsigned *n_records)
{
    struct event_unread *unread = NULL;
    struct error e;
    json_t *doc = NULL;
    *n_records = 0;
    if (event_batch_parse(body, len, rules->options->max_body, &doc, &unread, &e) != ERR_OK)
        return false;
    bool ok = !unread && (!json_is_object(doc) || json_object_size(doc) == 1) &&
              accept_all(json_is_array(doc) ? doc : json_object_get(doc, "events"), rules, records, answer,
                         n_records);
    free(unread);
    json_decref(doc);
    return ok;
}

static bool equal(const struct buffer *a, const struct buffer *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

bool event_readers_agree(const char *body, size_t len, const struct event_rules *rules, bool plain,
                         struct event_readers_tally *t)
{
    struct buffer records[2] = {{0}}, answer[2] = {{0}};
    unsigned n_events, n_records[2];
    char *text = malloc(len ? len : 1); /* exactly: a read behind it is seen */
    if (!text)
        return false;
    memcpy(text, body, len);
    bool quick = event_quick_outcomes(text, len, rules, &records[0], &answer[0], &n_events, &n_records[0]);
    bool slow = usual(text, len, rules, &records[1], &answer[1], &n_records[1]);
    bool ok = quick ? slow && n_records[0] == n_records[1] && equal(&records[0], &records[1]) &&
                          equal(&answer[0], &answer[1])
                    : !(plain && slow) && records[0].len == 0 && answer[0].len == 0;
    t->quick += quick;
    t->usual += slow;
    if (!ok)
        fprintf(stderr, "quick %d, usual %d: %.*s\n", quick, slow, (int)len, text);
    free(text);
    for (int i = 0; i < 2; i++) {
        buffer_free(&records[i]);
        buffer_free(&answer[i]);
    }
    return ok;
}
