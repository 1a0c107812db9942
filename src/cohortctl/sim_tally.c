#include "cohortctl/sim_tally.h"

#include <inttypes.h>
#include <string.h>

#include "cohortctl/table.h"

#define FALLBACK "(fallback)"

struct sim_arm *sim_tally_arm(struct sim_tally *t, const char *variant)
{
    const char *name = variant ? variant : FALLBACK;
    for (size_t i = 0; i < t->n_arms; i++)
        if (strcmp(t->arms[i].name, name) == 0)
            return &t->arms[i];
    if (t->n_arms == SIM_VARIANTS_MAX + 1)
        return NULL;
    struct sim_arm *arm = &t->arms[t->n_arms++];
    snprintf(arm->name, sizeof arm->name, "%s", name);
    return arm;
}

void sim_tally_line(const struct sim_tally *t, const struct sim_model *m, char *out, size_t cap)
{
    char a[32], b[32];
    int n = snprintf(out, cap, "%7s of %s", table_thousands((long long)t->customers, a),
                     table_thousands((long long)t->wanted, b));
    if (m->n_metrics > 0 && n > 0 && (size_t)n < cap)
        n += snprintf(out + n, cap - (size_t)n, "; %s:", m->metrics[0].name);
    for (size_t i = 0; i < t->n_arms && n > 0 && (size_t)n < cap; i++) {
        const struct sim_arm *arm = &t->arms[i];
        n += snprintf(out + n, cap - (size_t)n, "%s %s ", i ? "," : "", arm->name);
        if (m->n_metrics > 0 && (size_t)n < cap)
            n += snprintf(out + n, cap - (size_t)n, "%s of ", table_thousands((long long)arm->events[0], a));
        if ((size_t)n < cap)
            n += snprintf(out + n, cap - (size_t)n, "%s", table_thousands((long long)arm->customers, a));
    }
}

static void add_cell(struct table *t, uint64_t events, uint64_t customers)
{
    char a[32];
    table_add(t, "%s", table_thousands((long long)events, a));
    if (customers > 0)
        table_add(t, "%.2f %%", 100.0 * (double)events / (double)customers);
    else
        table_add(t, " ");
}

static int print_arms(const struct sim_tally *t, const struct sim_model *m, FILE *out)
{
    char columns[2 * SIM_METRICS_MAX + 3] = "lr", a[32];
    size_t shown = m->n_metrics > 7 ? 7 : m->n_metrics;
    for (size_t i = 0; i < shown; i++)
        strcat(columns, "rr");
    struct table *table = table_new(columns);
    if (!table)
        return ERR_NOMEM;
    table_add(table, "served");
    table_add(table, "customers");
    for (size_t i = 0; i < shown; i++) {
        table_add(table, "%s", m->metrics[i].name);
        table_add(table, " ");
    }
    for (size_t i = 0; i < t->n_arms; i++) {
        table_add(table, "%s", t->arms[i].name);
        table_add(table, "%s", table_thousands((long long)t->arms[i].customers, a));
        for (size_t j = 0; j < shown; j++)
            add_cell(table, t->arms[i].events[j], t->arms[i].customers);
    }
    int rc = table_print(table, out, 2);
    table_free(table);
    return rc;
}

int sim_tally_print(const struct sim_tally *t, const struct sim_model *m, FILE *out)
{
    char a[32];
    fprintf(out, "%s customers in %.1f s", table_thousands((long long)t->customers, a), t->seconds);
    if (t->failed > 0)
        fprintf(out, "; %s got no answer", table_thousands((long long)t->failed, a));
    fprintf(out, "; %s events accepted", table_thousands((long long)t->accepted, a));
    if (t->rejected > 0)
        fprintf(out, ", %s rejected", table_thousands((long long)t->rejected, a));
    if (t->twice > 0)
        fprintf(out, "; %s were reported twice", table_thousands((long long)t->twice, a));
    if (t->retries > 0)
        fprintf(out, "; %s requests had to be sent again", table_thousands((long long)t->retries, a));
    if (t->crashes > 0)
        fprintf(out, "; %s crashes of the reporter", table_thousands((long long)t->crashes, a));
    fputs("\n", out);
    int rc = print_arms(t, m, out);
    if (t->stopped)
        fprintf(out, "The fallback began after %s customers, %.1f s in (%s).\n",
                table_thousands((long long)t->stop_customers, a), t->stop_seconds, t->stop_reason);
    else
        fputs(t->stop ? "It stopped when the last customer had been served.\n"
                      : "The experiment did not stop.\n",
              out);
    const char *sentence = json_string_value(json_object_get(t->stop, "sentence"));
    if (sentence)
        fprintf(out, "%s\n", sentence);
    return rc;
}

static json_t *arms_json(const struct sim_tally *t, const struct sim_model *m)
{
    json_t *arms = json_array();
    for (size_t i = 0; i < t->n_arms; i++) {
        json_t *events = json_object();
        for (size_t j = 0; j < m->n_metrics; j++)
            json_object_set_new(events, m->metrics[j].name, json_integer((json_int_t)t->arms[i].events[j]));
        json_array_append_new(arms, json_pack("{s:s, s:I, s:o}", "served", t->arms[i].name, "customers",
                                              (json_int_t)t->arms[i].customers, "events", events));
    }
    return arms;
}

json_t *sim_tally_json(const struct sim_tally *t, const struct sim_model *m)
{
    json_t *first = json_null();
    if (t->stopped)
        first = json_pack("{s:I, s:f, s:s}", "customers", (json_int_t)t->stop_customers, "seconds",
                          t->stop_seconds, "reason", t->stop_reason);
    return json_pack("{s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:O?}", "customers",
                     (json_int_t)t->customers, "failed", (json_int_t)t->failed, "seconds", t->seconds,
                     "accepted", (json_int_t)t->accepted, "rejected", (json_int_t)t->rejected, "twice",
                     (json_int_t)t->twice, "retries", (json_int_t)t->retries, "crashes",
                     (json_int_t)t->crashes, "served", arms_json(t, m), "fallback_since", first, "stop",
                     t->stop);
}
