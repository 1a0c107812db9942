#include "base/counters.h"

#include <inttypes.h>

void counters_write(const struct counters *c, struct buffer *out)
{
#define WRITE(field, name, type, help)                                                                       \
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRId64 "\n", name, help, name, type, name,         \
                  counter_get(c, field));
    COUNTERS(WRITE)
#undef WRITE
}
