/* Bytes as records of the spool: what is read is written again as the same bytes, and nothing behind the end
 * is looked at. */
#include <string.h>

#include "codec/record.h"
#include "core/error.h"
#include "fuzz.h"

void fuzz_record(const uint8_t *data, size_t len)
{
    const uint8_t *p = data, *end = data + len;
    uint8_t again[4096];
    struct record r;
    for (;;) {
        const uint8_t *from = p;
        int rc = record_read(&p, end, &r);
        FUZZ_CHECK(rc == 1 || rc == 0 || rc == ERR_DAMAGED);
        if (rc != 1) {
            FUZZ_CHECK(rc != 0 || p == end);
            return;
        }
        FUZZ_CHECK(p > from && p <= end);
        size_t n = record_size(&r), written = record_write(&r, again, sizeof again);
        FUZZ_CHECK(written == n);
        /* An older format is written as the newest: read once more, it must say the same. */
        if (n != (size_t)(p - from) || memcmp(again, from, n) != 0) {
            struct record second;
            uint8_t third[4096];
            const uint8_t *q = again;
            FUZZ_CHECK(record_read(&q, again + n, &second) == 1 && q == again + n);
            FUZZ_CHECK(record_write(&second, third, sizeof third) == n && memcmp(again, third, n) == 0);
        }
    }
}
