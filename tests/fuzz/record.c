/* Bytes as records of the spool: what is read, written again and read once more is the same, by itself and in
 * a list with its neighbours; and nothing behind the end is looked at. */
#include <string.h>

#include "codec/record_list.h"
#include "core/error.h"
#include "fuzz.h"

enum { ROOM = 65536, ONE = 8192 };

/* Of what was read, in one list. */
struct lists {
    uint8_t bytes[ROOM];
    size_t len;
    unsigned n;
    struct record_list list;
};

static bool same(const struct record *a, const struct record *b)
{
    uint8_t x[ONE], y[ONE];
    size_t n = record_write(a, x, sizeof x);
    return n > 0 && n == record_size(a) && record_write(b, y, sizeof y) == n && memcmp(x, y, n) == 0;
}

static void check_alone(const struct record *r)
{
    struct record_reader reader;
    struct record again, none;
    uint8_t bytes[ONE];
    size_t n = record_write(r, bytes, sizeof bytes);
    FUZZ_CHECK(n > 0 && n <= record_most(r));
    record_reader_init(&reader, bytes, n);
    FUZZ_CHECK(record_next(&reader, &again) == 1 && again.kind == r->kind && same(r, &again));
    FUZZ_CHECK(record_next(&reader, &none) == 0);
}

static void add(struct lists *l, const struct record *r)
{
    size_t len = record_list_add(&l->list, &r->u.decision, l->bytes, l->len, sizeof l->bytes);
    if (len == 0)
        return;
    l->len = len;
    l->n++;
}

/* The same decisions again, as far as there was room. */
static void check_lists(const struct lists *l, struct record_reader from)
{
    struct record_reader reader;
    struct record a, b;
    record_reader_init(&reader, l->bytes, l->len);
    for (unsigned i = 0; i < l->n;) {
        FUZZ_CHECK(record_next(&from, &a) == 1);
        if (a.kind != RECORD_DECISION)
            continue;
        FUZZ_CHECK(record_next(&reader, &b) == 1 && b.kind == RECORD_DECISION && same(&a, &b));
        i++;
    }
    FUZZ_CHECK(record_next(&reader, &b) == 0);
}

void fuzz_record(const uint8_t *data, size_t len)
{
    static struct lists lists; /* large */
    struct record_reader reader, from;
    struct record r;
    bool room = true;
    int rc;
    lists.len = lists.n = 0;
    lists.list = (struct record_list){0};
    record_reader_init(&reader, data, len);
    from = reader;
    while ((rc = record_next(&reader, &r)) == 1) {
        FUZZ_CHECK(record_unread(&reader) <= len);
        check_alone(&r);
        unsigned before = lists.n;
        if (room && r.kind == RECORD_DECISION) {
            add(&lists, &r);
            room = lists.n > before;
        }
    }
    FUZZ_CHECK(rc == 0 ? record_unread(&reader) == 0 : rc == ERR_DAMAGED && record_unread(&reader) > 0);
    check_lists(&lists, from);
}
