/* JSON values as text. */
#ifndef COHORT_CODEC_JSON_DUMP_H
#define COHORT_CODEC_JSON_DUMP_H

#include <jansson.h>

/* json_dumps, with its flags and any value; but NULL whenever memory was short, while jansson's own may then
 * leave out a key and say nothing. To be freed. */
char *json_dump_text(const json_t *v, size_t flags);

#endif
