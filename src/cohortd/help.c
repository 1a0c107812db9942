#include <stdbool.h>
#include <string.h>

#include "cohortd/config.h"
#include "cohortd/options.h"

#define WIDTH 100

/* Words of text, broken so that no line is longer than WIDTH; each line begins with head. */
static void wrap(FILE *out, const char *head, const char *text)
{
    size_t column = 0, room = WIDTH - strlen(head);
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column && column + 1 + len > room) {
            fputc('\n', out);
            column = 0;
        }
        fprintf(out, "%s%.*s", column ? " " : head, (int)len, text);
        column += len + (column ? 1 : 0);
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static const char *default_of(const struct option_entry *o)
{
    return o->shown ? o->shown : o->initial;
}

static void print_option(FILE *out, const char *name, const char *value)
{
    fputs("  --", out);
    for (const char *p = name; *p; p++)
        fputc(*p == '_' ? '-' : *p, out);
    fprintf(out, "%s%s\n", value ? " " : "", value ? value : "");
}

void config_help(FILE *out)
{
    const char *group = "";
    fputs(
        "usage: cohortd [--config FILE] [--data DIR | --database CONNINFO] [OPTION]...\n\n"
        "Serves experiments: assignments over HTTP, their events into PostgreSQL, and stops what does harm.\n"
        "In a configuration file an option is written with underscores, as key = value; in the environment\n"
        "as COHORTD_ and the same name in capitals. The command line wins, then the environment. At SIGHUP\n"
        "all are read again.\n",
        out);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_entry *o = &option_table[i];
        if (strcmp(group, o->group) != 0)
            fprintf(out, "\n%s:\n", o->group);
        group = o->group;
        print_option(out, o->name, o->value);
        wrap(out, "        ", o->meaning);
        fprintf(out, "        Default: %s", default_of(o));
        if (o->type == OPTION_NUMBER)
            fprintf(out, " (from %lld to %lld)", (long long)o->min, (long long)o->max);
        fputs(o->live ? "; changes at SIGHUP\n" : "\n", out);
    }
    fputs("\nOther:\n", out);
    for (size_t i = 0; i < option_actions_count; i++) {
        print_option(out, option_actions[i].name, option_actions[i].value);
        wrap(out, "        ", option_actions[i].meaning);
    }
}

void config_sample(FILE *out)
{
    const char *group = "";
    fputs("# Configuration of cohortd: key = value, one a line; a line that begins with # is a comment.\n"
          "# Use it with: cohortd --config FILE. Every option here can stand on the command line too\n"
          "# (--log-level debug) and in the environment (COHORTD_LOG_LEVEL=debug).\n",
          out);
    for (size_t i = 0; i < option_count; i++) {
        const struct option_entry *o = &option_table[i];
        if (strcmp(group, o->group) != 0)
            fprintf(out, "\n\n## %s\n", o->group);
        group = o->group;
        fputc('\n', out);
        wrap(out, "# ", o->meaning);
        if (o->type == OPTION_NUMBER)
            fprintf(out, "# From %lld to %lld.\n", (long long)o->min, (long long)o->max);
        if (o->shown)
            fprintf(out, "# Default: %s.\n", o->shown);
        if (o->live)
            fputs("# Changes at SIGHUP.\n", out);
        fprintf(out, "#%s =%s%s\n", o->name, o->initial[0] ? " " : "", o->initial);
    }
}
