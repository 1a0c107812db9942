#include "spool/spool_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* Two slots, written in turn, so that one of them is whole at any moment. The bytes of this machine: the file
 * never leaves it. */
struct slot {
    char magic[8];
    uint64_t sequence;
    struct mark_content content;
    uint8_t checksum[16];
};
_Static_assert(sizeof(struct mark_content) == 48 && sizeof(struct slot) == 80, "no padding");
enum { SLOTS = 2, SLOT_BYTES = 512, SUMMED = 64 };
static const char magic[8] = "csmark1";

static void checksum(const struct slot *slot, uint8_t out[16])
{
    crypto_generichash(out, 16, (const uint8_t *)slot, SUMMED, NULL, 0);
}

/* All its blocks at once, so that a full disk can't refuse a later write. */
static int make_room(int fd)
{
    static const uint8_t zeros[SLOTS * SLOT_BYTES];
    return pwrite(fd, zeros, sizeof zeros, 0) == (ssize_t)sizeof zeros ? 0 : -1;
}

static enum mark_state read_slots(struct spool_mark *m, struct mark_content *out, bool *empty)
{
    enum mark_state state = MARK_ABSENT;
    *empty = true;
    for (int i = 0; i < SLOTS; i++) {
        static const struct slot zero;
        struct slot slot;
        uint8_t sum[16];
        memset(&slot, 0, sizeof slot);
        ssize_t n = pread(m->fd, &slot, sizeof slot, (off_t)i * SLOT_BYTES);
        if (n > 0)
            *empty = false;
        if (memcmp(&slot, &zero, sizeof slot) == 0)
            continue;
        checksum(&slot, sum);
        if (memcmp(slot.magic, magic, sizeof magic) != 0 || memcmp(sum, slot.checksum, sizeof sum) != 0) {
            state = state == MARK_WHOLE ? state : MARK_DAMAGED;
        } else if (state != MARK_WHOLE || slot.sequence > m->sequence) {
            *out = slot.content;
            m->sequence = slot.sequence;
            state = MARK_WHOLE;
        }
    }
    return state;
}

int spool_mark_open(struct spool_mark *m, const char *path, enum mark_state *state, struct mark_content *out,
                    struct error *e)
{
    char name[4096];
    bool empty;
    *m = (struct spool_mark){-1, 0, 0};
    memset(out, 0, sizeof *out);
    if (snprintf(name, sizeof name, "%s-mark", path) >= (int)sizeof name)
        return error_set(e, ERR_INVALID, path, "%s: the path is too long", path);
    m->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (m->fd < 0)
        return error_set(e, ERR_IO, path, "%s: %s", name, strerror(errno));
    *state = read_slots(m, out, &empty);
    if (empty && make_room(m->fd) != 0) {
        int why = errno;
        spool_mark_close(m);
        return error_set(e, ERR_IO, path, "%s: %s", name, strerror(why));
    }
    return ERR_OK;
}

void spool_mark_close(struct spool_mark *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}

void spool_mark_put(struct spool_mark *m, const struct mark_content *c)
{
    struct slot slot;
    if (m->fd < 0)
        return;
    memcpy(slot.magic, magic, sizeof magic);
    slot.sequence = ++m->sequence;
    slot.content = *c;
    checksum(&slot, slot.checksum);
    ssize_t n = pwrite(m->fd, &slot, sizeof slot, (off_t)(slot.sequence % SLOTS) * SLOT_BYTES);
    if (n != (ssize_t)sizeof slot && !m->failed)
        log_warn("spool", "the spool's high mark can't be written: %s", strerror(errno));
    m->failed = n != (ssize_t)sizeof slot;
}
