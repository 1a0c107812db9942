/* The body of an evaluation: both readers of it agree; every flag has a decision, the same each time; what an
 * experiment drew is what the contract draws; the answer is JSON, and what is remembered of it is what would
 * be written; a token keeps what it was made for. */
#include <jansson.h>
#include <string.h>

#include "base/buffer.h"
#include "codec/json_in.h"
#include "core/plan_replay.h"
#include "core/token.h"
#include "fuzz.h"
#include "unit/json_twins.h"
#include "web/decision_memory.h"
#include "web/subject_read.h"

#define NOW_US INT64_C(1793620000000000)

static const struct json_limits limits = {64 * 1024, 32, 2000};
static const uint8_t id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void ask(const struct plan_flag *f, const struct attr *attributes, const struct subject *like,
                struct trace *trace, struct decision *out)
{
    struct subject s;
    subject_init(&s, like->targeting_key, like->targeting_key_len, attributes);
    s.trace = trace;
    decide(fuzz_plan_of_world(), f, &s, id, NOW_US, 0, out);
}

static void check_draw(const struct decision *d, const struct attr *attributes)
{
    struct replay_of of = {d->unit, NOW_US, id, attributes};
    struct replayed again;
    if (d->reason != REASON_VARIANT || !d->experiment)
        return;
    plan_replay(d->experiment, &of, &again);
    FUZZ_CHECK(again.variant == d->variant && again.phase == d->phase &&
               again.propensity_ppm == d->propensity_ppm);
}

static void check_token(const struct decision *d)
{
    char text[TOKEN_TEXT_MAX + 1];
    struct token t;
    if (!token_of_decision(fuzz_plan_of_world(), d, id, NOW_US, text))
        return;
    FUZZ_CHECK(token_check(fuzz_plan_of_world(), text, strlen(text), &t));
    FUZZ_CHECK(t.variant_id == plan_variant_id(d->variant) &&
               t.experiment_id == plan_experiment_id(d->experiment));
}

struct written {
    struct decision *decision;
    struct decision_shared shared;
    const struct decision_known *known;
};

static void write_shared(struct json_out *o, void *arg)
{
    struct written *w = arg;
    decision_json_shared(o, w->decision, &w->shared);
}

static void write_answer(struct json_out *o, void *arg)
{
    const struct written *w = arg;
    struct decision_end end;
    decision_json_end(fuzz_plan_of_world(), NULL, &end);
    decision_json(o, fuzz_plan_of_world(), w->decision, &w->known->shared, &end, id, NOW_US);
}

/* What is remembered, perhaps from the decision of an input before, is what would be written now. */
static void check_memory(struct written *w, struct buffer *text, struct arena *arena)
{
    static struct decision_memory *memory;
    if (!memory)
        memory = decision_memory_new();
    w->known = decision_memory_get(memory, arena, w->decision);
    FUZZ_CHECK(w->known && json_write(text, write_shared, w));
    const struct decision_shared *s = &w->known->shared;
    FUZZ_CHECK(s->len == w->shared.len && s->id_at == w->shared.id_at && s->own_at == w->shared.own_at &&
               memcmp(s->text, text->data, s->len) == 0);
}

static void check_answer(struct decision *d)
{
    struct buffer text = {0};
    struct arena *arena = arena_new();
    struct written w = {.decision = d};
    check_memory(&w, &text, arena);
    FUZZ_CHECK(json_write(&text, write_answer, &w));
    json_t *doc = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    FUZZ_CHECK(json_is_string(json_object_get(doc, "key")) &&
               json_is_string(json_object_get(json_object_get(doc, "metadata"), "decisionId")));
    json_decref(doc);
    arena_free(arena);
    buffer_free(&text);
}

static void check_flag(const struct plan_flag *f, const struct attr *attributes, const struct subject *s)
{
    static struct trace trace;
    struct decision d, again;
    trace.n = 0;
    ask(f, attributes, s, NULL, &d);
    ask(f, attributes, s, &trace, &again);
    FUZZ_CHECK(d.reason < REASON_COUNT && d.variant_name && d.reason == again.reason &&
               d.variant == again.variant && d.phase == again.phase && d.value_json == again.value_json &&
               d.counterfactual == again.counterfactual && d.inclusion_ppm == again.inclusion_ppm);
    check_draw(&d, attributes);
    check_token(&d);
    check_answer(&d);
}

static void check_context(const struct attr *doc)
{
    const struct plan *p = fuzz_plan_of_world();
    const struct attr *context = attr_get(doc, "context", 7);
    struct subject_refusal why;
    struct subject s;
    if (!subject_read(context, &s, &why)) {
        FUZZ_CHECK(why.code[0] && why.error.text[0]);
        return;
    }
    for (size_t i = 0; i < plan_flag_count(p); i++)
        check_flag(plan_flag_at(p, i), context, &s);
}

void fuzz_decision(const uint8_t *data, size_t len)
{
    struct arena *a = arena_new();
    struct error e;
    struct attr attributes;
    json_t *doc = NULL;
    const char *wrong = json_twins(a, (const char *)data, len);
    if (wrong)
        fprintf(stderr, "%s\n", wrong);
    FUZZ_CHECK(!wrong);
    arena_reset(a);
    if (json_in_parse((const char *)data, len, &limits, &doc, &e) != ERR_OK)
        FUZZ_CHECK(e.text[0]);
    else if (json_in_attr(a, doc, &attributes, &e) == ERR_OK)
        check_context(&attributes);
    json_decref(doc);
    arena_free(a);
}
