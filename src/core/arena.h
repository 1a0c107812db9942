/* Memory that is filled piece by piece and freed at once. */
#ifndef COHORT_CORE_ARENA_H
#define COHORT_CORE_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void); /* NULL when out of memory */
void arena_free(struct arena *a);

/* n bytes aligned for any object, zeroed; NULL when out of memory. Lives until arena_free or arena_reset. */
void *arena_alloc(struct arena *a, size_t n);
/* The same with whatever is there. */
void *arena_room(struct arena *a, size_t n);

/* A NUL-terminated copy of n bytes. */
char *arena_copy(struct arena *a, const char *s, size_t n);

/* Forgets every piece but keeps the largest block of at most 64 KiB, so that the next requests of the same
 * size need no memory of the system. */
void arena_reset(struct arena *a);

/* Bytes taken from the system. */
size_t arena_size(const struct arena *a);

#endif
