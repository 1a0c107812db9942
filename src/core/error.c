#include "core/error.h"

#include <stdio.h>
#include <string.h>

/* snprintf may cut a multi-byte character in two; a message must stay valid UTF-8 for JSON. */
static void trim_partial_character(char *s)
{
    size_t n = strlen(s), back = 0;
    while (back < n && back < 4 && ((unsigned char)s[n - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back == n)
        return;
    unsigned char lead = (unsigned char)s[n - 1 - back];
    size_t need = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (back < need)
        s[n - 1 - back] = '\0';
}

int error_set(struct error *e, int code, const char *place, const char *fmt, ...)
{
    if (!e)
        return code;
    e->code = code;
    snprintf(e->place, sizeof e->place, "%s", place ? place : "");
    trim_partial_character(e->place);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    trim_partial_character(e->text);
    return code;
}

void error_clear(struct error *e)
{
    e->code = ERR_OK;
    e->place[0] = '\0';
    e->text[0] = '\0';
}
