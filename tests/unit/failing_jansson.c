#include "failing_jansson.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "failing_alloc.h"

json_t *__real_json_loadb(const char *text, size_t len, size_t flags, json_error_t *e);
json_t *__wrap_json_loadb(const char *text, size_t len, size_t flags, json_error_t *e);

/* jansson's parser ends the process (an assertion in its lexer) when memory is short at some places: it fails
 * as a whole here, as it does when it notices. */
json_t *__wrap_json_loadb(const char *text, size_t len, size_t flags, json_error_t *e)
{
    void *probe = failing_malloc(1);
    if (!probe) {
        if (e) {
            memset(e, 0, sizeof *e);
            e->text[sizeof e->text - 1] = (char)json_error_out_of_memory;
        }
        return NULL;
    }
    free(probe);
    failing_pause(true);
    json_t *v = __real_json_loadb(text, len, flags, e);
    failing_pause(false);
    return v;
}

void failing_jansson(void)
{
    json_set_alloc_funcs(failing_malloc, free);
}
