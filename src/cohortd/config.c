#include "cohortd/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cohortd/environment.h"
#include "cohortd/options.h"
#include "web/http_address.h"

#define NAME_MAX_BYTES 64

/* underscores to dashes or back; cut when longer than any name. */
static void change(char out[NAME_MAX_BYTES], const char *name, size_t len, char from, char to)
{
    if (len >= NAME_MAX_BYTES)
        len = NAME_MAX_BYTES - 1;
    for (size_t i = 0; i < len; i++)
        out[i] = name[i] == from ? to : name[i];
    out[len] = '\0';
}

static const struct option_entry *option_find(const char *name)
{
    for (size_t i = 0; i < option_count; i++) {
        if (strcmp(option_table[i].name, name) == 0)
            return &option_table[i];
    }
    return NULL;
}

static int set_defaults(struct config *c, struct error *e)
{
    for (size_t i = 0; i < option_count; i++) {
        int code = option_set(c, &option_table[i], option_table[i].initial, e);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

/* The file. */

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    char *end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return s;
}

static int unknown_key(const char *place, const char *key, struct error *e)
{
    char hint[NAME_MAX_BYTES];
    const char *near = option_nearest(key);
    if (!near)
        return error_set(e, ERR_INVALID, place,
                         "%s: there is no option \"%s\"; cohortd --print-config lists all", place, key);
    change(hint, near, strlen(near), '-', '_');
    return error_set(e, ERR_INVALID, place, "%s: there is no option \"%s\"; did you mean \"%s\"?", place, key,
                     hint);
}

static int read_line(struct config *c, char *line, const char *place, unsigned *lines, unsigned number,
                     struct error *e)
{
    char *key = trim(line);
    if (*key == '\0' || *key == '#')
        return ERR_OK;
    char *equals = strchr(key, '=');
    if (!equals)
        return error_set(e, ERR_INVALID, place, "%s: \"%s\" is not of the form key = value", place, key);
    *equals = '\0';
    key = trim(key);
    const struct option_entry *o = option_find(key);
    if (!o)
        return unknown_key(place, key, e);
    if (lines[o - option_table])
        return error_set(e, ERR_INVALID, place, "%s: %s is set in line %u already", place, key,
                         lines[o - option_table]);
    lines[o - option_table] = number;
    struct error why;
    int code = option_set(c, o, trim(equals + 1), &why);
    return code == ERR_OK ? code : error_set(e, code, place, "%s: %s: %s", place, key, why.text);
}

static int read_lines(struct config *c, FILE *f, const char *path, struct error *e)
{
    char *line = NULL, place[sizeof e->place];
    size_t cap = 0;
    unsigned number = 0;
    int code = ERR_OK;
    unsigned *lines = calloc(option_count, sizeof *lines);
    if (!lines)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    while (code == ERR_OK && getline(&line, &cap, f) >= 0) {
        snprintf(place, sizeof place, "%s line %u", path, ++number);
        code = read_line(c, line, place, lines, number, e);
    }
    if (code == ERR_OK && ferror(f))
        code = error_set(e, ERR_IO, path, "%s can't be read: %s", path, strerror(errno));
    free(line);
    free(lines);
    return code;
}

/* named: what named the file. */
static int read_file(struct config *c, const char *path, const char *named, struct error *e)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return error_set(e, ERR_INVALID, named, "%s %s: %s", named, path, strerror(errno));
    int code = read_lines(c, f, path, e);
    fclose(f);
    return code;
}

/* The command line. */

/* One argument: name and value, or what kind of action. */
struct argument {
    char shown[NAME_MAX_BYTES + 2]; /* "--max-connections" */
    char name[NAME_MAX_BYTES];
    const char *value; /* or NULL */
    const struct option_entry *option;
    const struct option_action *action; /* one of the two is set */
};

static int unknown_argument(const char *text, const char *name, struct error *e)
{
    char hint[NAME_MAX_BYTES];
    const char *near = name ? option_nearest(name) : NULL;
    if (!near)
        return error_set(e, ERR_INVALID, text, "there is no option %s; cohortd --help lists all", text);
    change(hint, near, strlen(near), '_', '-');
    return error_set(e, ERR_INVALID, text, "there is no option %s; did you mean --%s?", text, hint);
}

static const struct option_action *action_find(const char *name)
{
    for (size_t i = 0; i < option_actions_count; i++) {
        if (strcmp(option_actions[i].name, name) == 0)
            return &option_actions[i];
    }
    return NULL;
}

/* Splits argv[*i], taking the next one as the value where one is needed and not given with "=". */
static int parse_argument(struct argument *a, int argc, const char *const *argv, int *i, struct error *e)
{
    const char *text = argv[*i];
    if (strcmp(text, "-h") == 0)
        text = "--help";
    if (strncmp(text, "--", 2) != 0 || text[2] == '\0')
        return text[0] == '-'
                   ? unknown_argument(text, NULL, e)
                   : error_set(e, ERR_INVALID, text,
                               "\"%s\" is not an option: options begin with --, as in --data DIR", text);
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) - 2 : strlen(text + 2);
    *a = (struct argument){.value = equals ? equals + 1 : NULL};
    change(a->name, text + 2, len, '\0', '\0');
    snprintf(a->shown, sizeof a->shown, "--%s", a->name);
    char key[NAME_MAX_BYTES];
    change(key, text + 2, len, '-', '_');
    a->action = action_find(a->name);
    a->option = strchr(a->name, '_') ? NULL : option_find(key);
    if (!a->action && !a->option)
        return unknown_argument(a->shown, a->name, e);
    const char *wanted = a->option ? a->option->value : a->action->value;
    if (!wanted)
        return a->value ? error_set(e, ERR_INVALID, a->shown, "%s takes no value", a->shown) : ERR_OK;
    if (!a->value && *i + 1 < argc)
        a->value = argv[++*i];
    return a->value
               ? ERR_OK
               : error_set(e, ERR_INVALID, a->shown, "%s needs a value: %s %s", a->shown, a->shown, wanted);
}

/* Two readings of the command line: the file it names and the environment come before its other options. */
static int first_reading(int argc, const char *const *argv, enum config_action *action, const char **file,
                         const char **dir, struct error *e)
{
    struct argument a;
    for (int i = 1; i < argc; i++) {
        int code = parse_argument(&a, argc, argv, &i, e);
        if (code != ERR_OK)
            return code;
        if (!a.action)
            continue;
        if (a.action->action == ACTION_SERVE)
            *file = a.value;
        else
            *action = a.action->action;
        if (a.action->action == ACTION_CHECK_DATA)
            *dir = a.value;
    }
    return ERR_OK;
}

static int second_reading(struct config *c, int argc, const char *const *argv, struct error *e)
{
    struct argument a;
    struct error why;
    for (int i = 1; i < argc; i++) {
        int code = parse_argument(&a, argc, argv, &i, e);
        if (code == ERR_OK && a.option) {
            code = option_set(c, a.option, a.value, &why);
            if (code != ERR_OK)
                error_set(e, code, a.shown, "%s: %s", a.shown, why.text);
        }
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

/* Rules the types don't say. */
static int check_texts(const struct config *c, struct error *e)
{
    const char *must_be[][2] = {{"data", c->data}, {"listen", c->listen}, {"pg_bindir", c->pg_bindir}};
    for (size_t i = 0; i < sizeof must_be / sizeof *must_be; i++) {
        if (must_be[i][1][0] == '\0')
            return error_set(e, ERR_INVALID, must_be[i][0], "the option %s must not be empty", must_be[i][0]);
    }
    if (strlen(c->node_name) > 64)
        return error_set(e, ERR_INVALID, "node_name", "the option node_name may have 64 characters, not %zu",
                         strlen(c->node_name));
    for (const char *p = c->node_name; *p; p++) {
        if (!isgraph((unsigned char)*p))
            return error_set(e, ERR_INVALID, "node_name",
                             "the option node_name may only have printable ASCII characters without blanks");
    }
    return ERR_OK;
}

static int check_proxies(const struct config *c, struct error *e)
{
    struct error why;
    struct http_trust *trust;
    int code = http_trust_new(&trust, c->trusted_proxies, &why);
    http_trust_free(trust);
    return code == ERR_OK ? code
                          : error_set(e, code, "trusted_proxies", "the option trusted_proxies: %s", why.text);
}

int config_read(struct config *c, int argc, const char *const *argv, enum config_action *action,
                struct error *e)
{
    const char *file = NULL, *dir = NULL;
    *action = ACTION_SERVE;
    int code = set_defaults(c, e);
    if (code == ERR_OK)
        code = first_reading(argc, argv, action, &file, &dir, e);
    if (code != ERR_OK || (*action != ACTION_SERVE && *action != ACTION_CHECK_DATA))
        return code;
    const char *variable = getenv(ENVIRONMENT_CONFIG);
    if (file)
        code = read_file(c, file, "--config", e);
    else if (variable && *variable)
        code = read_file(c, variable, ENVIRONMENT_CONFIG ":", e);
    if (code == ERR_OK)
        code = environment_read(c, e);
    if (code == ERR_OK)
        code = second_reading(c, argc, argv, e);
    if (code == ERR_OK && dir)
        code = option_set(c, option_find("data"), dir, e);
    if (code == ERR_OK)
        code = check_texts(c, e);
    return code == ERR_OK ? check_proxies(c, e) : code;
}

static bool same(const struct option_entry *o, const struct config *a, const struct config *b)
{
    const void *x = (const char *)a + o->offset, *y = (const char *)b + o->offset;
    if (option_is_number(o))
        return *(const int64_t *)x == *(const int64_t *)y;
    return strcmp(*(char *const *)x, *(char *const *)y) == 0;
}

static void swap(const struct option_entry *o, struct config *a, struct config *b)
{
    char *x = (char *)a + o->offset, *y = (char *)b + o->offset, t[sizeof(int64_t)];
    size_t n = option_is_number(o) ? sizeof(int64_t) : sizeof(char *);
    memcpy(t, x, n);
    memcpy(x, y, n);
    memcpy(y, t, n);
}

static void add_name(char *list, size_t cap, const char *name)
{
    size_t n = strlen(list);
    snprintf(list + n, cap - n, "%s%s", n > 0 ? ", " : "", name);
}

void config_take_live(struct config *c, struct config *next, struct config_change *change)
{
    *change = (struct config_change){0};
    for (size_t i = 0; i < option_count; i++) {
        const struct option_entry *o = &option_table[i];
        if (same(o, c, next))
            continue;
        if (o->live)
            swap(o, c, next);
        add_name(o->live ? change->taken : change->restart, sizeof change->taken, o->name);
    }
}

void config_free(struct config *c)
{
    for (size_t i = 0; i < option_count; i++) {
        if (!option_is_number(&option_table[i]))
            free(*(char **)((char *)c + option_table[i].offset));
    }
    memset(c, 0, sizeof *c);
}
