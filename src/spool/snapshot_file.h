/* Sealed whole files: a body, and a keyed BLAKE2b over the file's name and the body behind it. */
#ifndef COHORT_SPOOL_SNAPSHOT_FILE_H
#define COHORT_SPOOL_SNAPSHOT_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum { SNAPSHOT_KEY = 32, SNAPSHOT_SEAL = 32 };

/* Reads DIR/key, or makes it. A damaged one is replaced, which is said: what it sealed is not believed then.
 */
int snapshot_key(const char *dir, uint8_t key[SNAPSHOT_KEY], struct error *e);

/* Writes DIR/name whole: on ERR_OK it is on disk under its name. */
int snapshot_write(const char *dir, const char *name, const uint8_t key[SNAPSHOT_KEY], const uint8_t *body,
                   size_t len, struct error *e);

/* ERR_NOT_FOUND; ERR_DAMAGED: the seal does not match. Without a key the seal is not looked at. *body is
 * NUL-terminated after its len bytes. */
int snapshot_read(const char *dir, const char *name, const uint8_t key[SNAPSHOT_KEY], uint8_t **body,
                  size_t *len, struct error *e);

#endif
