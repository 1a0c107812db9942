#include "cohortd/environment.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cohortd/options.h"

#define VARIABLE_BYTES 80

extern char **environ;

static void variable_of(const char *option, char out[VARIABLE_BYTES])
{
    size_t n = sizeof ENVIRONMENT_PREFIX - 1;
    memcpy(out, ENVIRONMENT_PREFIX, n);
    while (*option && n < VARIABLE_BYTES - 1)
        out[n++] = (char)toupper((unsigned char)*option++);
    out[n] = '\0';
}

int environment_read(struct config *c, struct error *e)
{
    char variable[VARIABLE_BYTES];
    struct error why;
    for (size_t i = 0; i < option_count; i++) {
        variable_of(option_table[i].name, variable);
        const char *value = getenv(variable);
        int code = value ? option_set(c, &option_table[i], value, &why) : ERR_OK;
        if (code != ERR_OK)
            return error_set(e, code, variable, "%s: %s", variable, why.text);
    }
    return ERR_OK;
}

static bool known(const char *name)
{
    char variable[VARIABLE_BYTES];
    if (strcmp(name, ENVIRONMENT_CONFIG) == 0)
        return true;
    for (size_t i = 0; i < option_count; i++) {
        variable_of(option_table[i].name, variable);
        if (strcmp(variable, name) == 0)
            return true;
    }
    return false;
}

static void warn(const char *name)
{
    char option[VARIABLE_BYTES], hint[VARIABLE_BYTES];
    size_t n = 0;
    for (const char *p = name + sizeof ENVIRONMENT_PREFIX - 1; *p && n < sizeof option - 1; p++)
        option[n++] = (char)tolower((unsigned char)*p);
    option[n] = '\0';
    const char *near = option_nearest(option);
    if (!near) {
        log_warn("config", "the environment has %s, which is no option and is not looked at", name);
        return;
    }
    variable_of(near, hint);
    log_warn("config", "the environment has %s, which is no option and is not looked at; did you mean %s?",
             name, hint);
}

void config_warn_environment(void)
{
    for (char **v = environ; *v; v++) {
        char name[VARIABLE_BYTES];
        size_t n = strcspn(*v, "=");
        if (n >= sizeof name || strncmp(*v, ENVIRONMENT_PREFIX, sizeof ENVIRONMENT_PREFIX - 1) != 0)
            continue;
        memcpy(name, *v, n);
        name[n] = '\0';
        if (!known(name))
            warn(name);
    }
}
