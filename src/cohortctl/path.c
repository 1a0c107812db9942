#include "cohortctl/path.h"

#include <stdio.h>
#include <string.h>

#include "cohortctl/values.h"

int path_check_key(const char *place, const char *key, struct error *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
    size_t n = strlen(key);
    if (n > 0 && n <= KEY_MAX && strspn(key, allowed) == n && strchr("_.-", key[0]) == NULL)
        return 0;
    return error_set(
        e, ERR_INVALID, place,
        "'%.120s' is not a key: one is 1 to %d of a-z 0-9 _ . - and starts with a letter or digit", key,
        KEY_MAX);
}

int path_of_experiment(const char *key, const char *tail, char *out, size_t cap, struct error *e)
{
    int rc = path_check_key("KEY", key, e);
    if (rc == 0)
        snprintf(out, cap, "/v1/experiments/%s%s", key, tail);
    return rc;
}

int path_missing(int rc, const char *key, struct error *e)
{
    if (rc == ERR_NOT_FOUND && e->place[0] == '\0')
        snprintf(e->place, sizeof e->place, "%s", key);
    return rc;
}
