/* Runs saved inputs through their targets: replay FILE…
 *
 * NAME.pack is a corpus of the target NAME: for each input its length, 4 bytes, big-endian, and its bytes.
 * Any other file is one input; the target is what its name begins with, up to a '-'. */
#include <string.h>

#include "fuzz.h"

static uint8_t *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes = NULL;
    if (f && fseek(f, 0, SEEK_END) == 0) {
        *len = (size_t)ftell(f);
        rewind(f);
        bytes = malloc(*len + 1);
        if (bytes && fread(bytes, 1, *len, f) != *len) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (f)
        fclose(f);
    return bytes;
}

/* In memory of exactly this size, so that a read behind it is seen. */
static void run(const struct fuzz_target *t, const uint8_t *p, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    FUZZ_CHECK(copy);
    memcpy(copy, p, len);
    if (len <= t->max_len)
        t->run(copy, len);
    free(copy);
}

static size_t run_pack(const struct fuzz_target *t, const uint8_t *bytes, size_t len)
{
    size_t n = 0;
    for (size_t at = 0; at < len; n++) {
        FUZZ_CHECK(len - at >= 4);
        size_t one = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 |
                     bytes[at + 3];
        at += 4;
        FUZZ_CHECK(len - at >= one);
        run(t, bytes + at, one);
        at += one;
    }
    return n;
}

static bool replay(const char *path)
{
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    char name[32];
    size_t len = 0, n = 1;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(base, "-."), base);
    const struct fuzz_target *t = fuzz_find(name);
    uint8_t *bytes = t ? read_file(path, &len) : NULL;
    if (!bytes) {
        printf("%s: %s\n", path, t ? "it can't be read" : "its name begins with no target's");
        return false;
    }
    printf("%s …\n", path);
    fflush(stdout);
    if (strstr(base, ".pack"))
        n = run_pack(t, bytes, len);
    else
        run(t, bytes, len);
    printf("%s: %zu inputs\n", path, n);
    free(bytes);
    return n > 0;
}

int main(int argc, char **argv)
{
    bool ok = argc > 1;
    for (int i = 1; i < argc; i++)
        ok = replay(argv[i]) && ok;
    return ok ? 0 : 1;
}
