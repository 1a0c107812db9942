/* Writes JSON into memory the caller owns. Errors stick: write all, check once. */
#ifndef COHORT_CODEC_JSON_OUT_H
#define COHORT_CODEC_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Commas are put by the writer. Start with json_out_init. */
struct json_out {
    char *buf;
    size_t cap, len;
    bool overflow; /* the text did not fit; len is what was needed so far, buf is not to be used */
    bool need_comma;
};

void json_out_init(struct json_out *o, char *buf, size_t cap);
void json_out_begin_object(struct json_out *o);
void json_out_end_object(struct json_out *o);
void json_out_begin_array(struct json_out *o);
void json_out_end_array(struct json_out *o);
void json_out_key(struct json_out *o, const char *key);
/* A key known when it is compiled, as it is written: letters, digits and '_' only. */
#define JSON_OUT_KEY(o, name) json_out_name(o, "\"" name "\":", sizeof name + 2)
void json_out_name(struct json_out *o, const char *quoted, size_t n);
/* Escapes; bytes that are not valid UTF-8 become U+FFFD. */
void json_out_string(struct json_out *o, const char *s);
void json_out_string_n(struct json_out *o, const char *s, size_t n);
void json_out_int(struct json_out *o, int64_t v);
/* Shortest text that reads back equal, always with a decimal point or an exponent (5.0, 1e+22): readers keep
 * it a real number. NaN and infinities are written as null. */
void json_out_double(struct json_out *o, double v);
void json_out_bool(struct json_out *o, bool v);
void json_out_null(struct json_out *o);
/* Text that is JSON already. */
void json_out_raw(struct json_out *o, const char *json);
/* Text that goes on behind a value, with its own commas. */
void json_out_behind(struct json_out *o, const char *text, size_t n);
/* 16 bytes as a uuid string. */
void json_out_uuid(struct json_out *o, const uint8_t b[16]);

#endif
