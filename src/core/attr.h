/* Attributes: what is known of a subject, and the constants of conditions. A JSON value without JSON. */
#ifndef COHORT_CORE_ATTR_H
#define COHORT_CORE_ATTR_H

#include <stdbool.h>
#include <stddef.h>

enum attr_type { ATTR_NULL, ATTR_BOOL, ATTR_NUMBER, ATTR_STRING, ATTR_ARRAY, ATTR_OBJECT };

struct attr_field;

/* A value; what it points to belongs to the arena it was made in. Strings are NUL-terminated too. */
struct attr {
    enum attr_type type;
    union {
        bool boolean;
        double number;
        struct {
            const char *s;
            size_t len;
        } string;
        struct {
            const struct attr *items;
            size_t n;
        } array;
        struct {
            const struct attr_field *fields;
            size_t n;
        } object;
    } u;
};

struct attr_field {
    const char *name;
    size_t name_len;
    struct attr value;
};

/* The field of an object by name, or NULL (also when obj is not an object). */
const struct attr *attr_get(const struct attr *obj, const char *name, size_t len);

/* Same type and same value, deep. Object fields in any order. */
bool attr_equal(const struct attr *a, const struct attr *b);

/* What one attr_equal with it may cost: its values, and for each object the square of its fields. */
size_t attr_weight(const struct attr *v);

#endif
