#include "base/counters.h"

#include <inttypes.h>

static void write_ledger(const struct counters *c, struct buffer *out)
{
    struct ledger l = {0};
    bool known = c->read_ledger(c->ledger_arg, &l);
#define WRITE(field, name, type, help)                                                                       \
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRId64 "\n", name, help, name, type, name, l.field);
    if (known) {
        LEDGER(WRITE)
    }
    LEDGER_ASIDE(WRITE)
#undef WRITE
}

void counters_write(const struct counters *c, struct buffer *out)
{
#define WRITE(field, name, type, help)                                                                       \
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRId64 "\n", name, help, name, type, name,         \
                  counter_get(c, field));
    COUNTERS(WRITE)
#undef WRITE
    if (c->read_ledger)
        write_ledger(c, out);
}
