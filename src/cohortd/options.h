/* The table behind config.h, for the one who reads values and the one who prints help. */
#ifndef COHORT_COHORTD_OPTIONS_H
#define COHORT_COHORTD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cohortd/config.h"

enum option_type {
    OPTION_TEXT,
    OPTION_URL,           /* of a server; or empty */
    OPTION_NUMBER,        /* a whole number from min to max */
    OPTION_MODE,          /* permissions of a file, in octal; a number too */
    OPTION_LEVEL,         /* a word of log_level_parse */
    OPTION_DURABILITY,    /* async or sync */
    OPTION_CLIENT_EVENTS, /* open or token */
    OPTION_LOG_FORMAT,    /* a word of log_format_parse */
    OPTION_LOG_REQUESTS,  /* a word of http_log_parse */
};

struct option_entry {
    const char *group; /* a heading; the same for neighbours */
    const char *name;  /* as in the file; dashes for underscores on the command line */
    const char *value; /* what stands for it in the help: "DIR" */
    enum option_type type;
    size_t offset; /* in struct config */
    bool live;     /* takes effect at a reload, without a restart */
    const char *initial;
    int64_t min, max;
    const char *shown; /* what the help says of a default that is empty or 0, or NULL */
    const char *meaning;
};

extern const struct option_entry option_table[];
extern const size_t option_count;

/* The options that are no settings: command line only. */
struct option_action {
    const char *name;
    const char *value; /* its argument, or NULL */
    enum config_action action;
    const char *meaning;
};

extern const struct option_action option_actions[];
extern const size_t option_actions_count;

/* Whether its field is an int64_t; else it is a text. */
bool option_is_number(const struct option_entry *o);

/* Sets one option from text; ERR_INVALID with the sentence without the place ("abc" is not …). */
int option_set(struct config *c, const struct option_entry *o, const char *text, struct error *e);

/* The option or action whose name is nearest to a mistyped one, or NULL when none is near. */
const char *option_nearest(const char *name);

#endif
