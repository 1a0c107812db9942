#include "cohortctl/differ.h"

#include <stdlib.h>
#include <string.h>

#include "cohortctl/json_text.h"

#define SHOWN 70

struct walk {
    FILE *out;
    size_t n;
    char path[512];
};

static void print_value(FILE *out, const json_t *v)
{
    char *text = v ? json_text(v, false) : NULL;
    size_t n = text ? strlen(text) : 0;
    if (!v)
        fputs("(not set)", out);
    else if (n <= SHOWN)
        fputs(text ? text : "?", out);
    else {
        size_t cut = SHOWN;
        while (cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80)
            cut--;
        fprintf(out, "%.*s…", (int)cut, text);
    }
    free(text);
}

static void tell(struct walk *w, const json_t *from, const json_t *to)
{
    w->n++;
    if (!w->out)
        return;
    fprintf(w->out, "  %s: ", w->path);
    print_value(w->out, from);
    fputs(" → ", w->out);
    print_value(w->out, to);
    fputc('\n', w->out);
}

static void compare(struct walk *w, const json_t *from, const json_t *to, bool exact);

static void compare_member(struct walk *w, const char *name, const json_t *from, const json_t *to, bool exact)
{
    size_t n = strlen(w->path);
    snprintf(w->path + n, sizeof w->path - n, "%s%s", n ? "." : "", name);
    compare(w, from, to, exact || kind_is_value(name));
    w->path[n] = '\0';
}

static void compare_objects(struct walk *w, const json_t *from, const json_t *to, bool exact)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)from, name, v) compare_member(w, name, v, json_object_get(to, name), exact);
    json_object_foreach((json_t *)to, name, v)
    {
        if (!json_object_get(from, name))
            compare_member(w, name, NULL, v, exact);
    }
}

static void compare_arrays(struct walk *w, const json_t *from, const json_t *to, bool exact)
{
    size_t n = strlen(w->path), a = json_array_size(from), b = json_array_size(to);
    for (size_t i = 0; i < a || i < b; i++) {
        snprintf(w->path + n, sizeof w->path - n, "[%zu]", i);
        compare(w, json_array_get(from, i), json_array_get(to, i), exact);
        w->path[n] = '\0';
    }
}

static bool equal(const json_t *from, const json_t *to, bool exact)
{
    if (!exact && json_is_number(from) && json_is_number(to))
        return json_number_value(from) == json_number_value(to);
    return from && to && json_equal(from, to);
}

static void compare(struct walk *w, const json_t *from, const json_t *to, bool exact)
{
    if (json_is_object(from) && json_is_object(to))
        compare_objects(w, from, to, exact);
    else if (json_is_array(from) && json_is_array(to))
        compare_arrays(w, from, to, exact);
    else if (!equal(from, to, exact))
        tell(w, from, to);
}

size_t differ_documents(const json_t *from, const json_t *to, FILE *out)
{
    struct walk w = {.out = out};
    compare(&w, from, to, false);
    return w.n;
}

/* A bandit's start writes down how long an epoch is. */
static void leave_epoch(const json_t *wanted, const json_t *found, json_t *there)
{
    const char *status = json_string_value(json_object_get(found, "status"));
    bool started = status && strcmp(status, "draft") != 0 && strcmp(status, "scheduled") != 0;
    if (started && !json_object_get(json_object_get(wanted, "bandit"), "stick_s"))
        json_object_del(json_object_get(there, "bandit"), "stick_s");
}

/* What a document leaves out and a PUT leaves alone is no difference. */
static void leave_alone(const struct kind *k, const json_t *wanted, const json_t *found, json_t *there)
{
    leave_epoch(wanted, found, there);
    for (size_t i = 0; k->left_alone[i]; i++)
        if (!json_object_get(wanted, k->left_alone[i]))
            json_object_del(there, k->left_alone[i]);
}

int differ_definition(const struct definition *wanted, const struct definitions *there,
                      const struct change_words *words, FILE *out, enum change *change, struct error *e)
{
    const struct definition *found = definitions_find(there, wanted->kind, wanted->key);
    *change = CHANGE_NEW;
    if (!found && out)
        fprintf(out, "%s/%s: %s\n", wanted->kind->name, wanted->key, words->is_new);
    if (!found)
        return 0;
    json_t *a = kind_normal(wanted->kind, wanted->key, found->doc);
    json_t *b = kind_normal(wanted->kind, wanted->key, wanted->doc);
    bool complete = a && b;
    *change = CHANGE_NONE;
    if (complete)
        leave_alone(wanted->kind, wanted->doc, found->doc, a);
    if (complete && differ_documents(a, b, NULL) > 0) {
        *change = CHANGE_FIELDS;
        if (out) {
            fprintf(out, "%s/%s: %s\n", wanted->kind->name, wanted->key, words->differs);
            differ_documents(a, b, out);
        }
    }
    json_decref(a);
    json_decref(b);
    return complete ? 0 : error_set(e, ERR_NOMEM, "", "out of memory");
}
