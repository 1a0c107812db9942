#include "clients/c/say.h"

#include <stdarg.h>
#include <stdio.h>

static void tell(struct say *s, const struct cohort_trouble *t)
{
    if (s->fn)
        s->fn(s->arg, t);
}

void say_once(struct say *s, enum cohort_trouble_kind kind, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    unsigned bit = 1u << kind;
    if (atomic_fetch_or(&s->said, bit) & bit)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    tell(s, &(struct cohort_trouble){.kind = kind, .text = text});
}

void say_over(struct say *s, enum cohort_trouble_kind kind)
{
    unsigned bit = 1u << kind;
    if (atomic_load_explicit(&s->said, memory_order_relaxed) & bit)
        atomic_fetch_and(&s->said, ~bit);
}

void say_refused(struct say *s, const char *event_id, const char *code, const char *text)
{
    tell(s, &(struct cohort_trouble){
                .kind = COHORT_TROUBLE_REFUSED, .text = text, .event_id = event_id, .code = code});
}
