/* A compiled condition, for the files condition*.c alone. */
#ifndef COHORT_CORE_CONDITION_PRIVATE_H
#define COHORT_CORE_CONDITION_PRIVATE_H

#include "core/condition.h"
#include "core/pattern.h"
#include "core/value_set.h"

/* Every node asks something of one value; a condition asks it of the object of all attributes. */
enum test {
    TEST_NEVER,
    TEST_ALL,       /* children: every one */
    TEST_ANY,       /* children: one at least */
    TEST_AT,        /* at: the child, asked of what is there */
    TEST_CONDITION, /* condition: that of a segment */
    TEST_SAME,      /* same */
    TEST_AMONG,     /* set: it, or an item of it, is in the set */
    TEST_EVERY,     /* every: an array that has them all */
    TEST_ORDER,     /* order */
    TEST_VERSION,   /* version */
    TEST_PATTERN,   /* pattern */
    TEST_EXISTS,    /* it is neither missing nor null */
    TEST_TYPE,      /* type */
    TEST_SIZE,      /* child, asked of the number of items */
    TEST_ELEMENT,   /* child, asked of each item */
};

/* Bits: which of less, equal and greater is met. */
enum { ORDER_LESS = 1, ORDER_EQUAL = 2, ORDER_GREATER = 4 };

struct node {
    enum test test;
    bool negated;
    union {
        struct {
            const struct node *nodes;
            size_t n;
        } children;
        struct {
            const char *path;
            size_t len;
            const struct node *child;
        } at;
        const struct condition *condition;
        struct {
            const struct attr *value;
            size_t price;
        } same;
        const struct value_set *set; /* NULL: empty */
        struct {
            const struct value_set *set; /* its scalars */
            const struct node *nodes;    /* what is not one */
            size_t n;
        } every;
        struct {
            unsigned met;
            const struct attr *text; /* NULL: the value compared with is no text */
            bool is_number;
            double number;
        } order;
        struct {
            unsigned met;
            const char *s;
            size_t len;
        } version;
        const struct pattern *pattern;
        enum attr_type type;
        const struct node *child;
    } u;
};

struct condition {
    struct node root;
    unsigned level; /* 1, more by each segment that refers to segments */
    const char **inputs;
    size_t n_inputs;
};

/* --- what the compiler's files share --- */

/* Mistakes and a lack of memory stick; compiling goes on as far as it makes sense. */
struct compiler {
    struct arena *arena;
    struct segments *segments;
    struct error *error; /* the first mistake */
    bool refused, no_memory;
    const char *place; /* the path being compiled */
    unsigned depth;    /* conditions and operators within each other */
    unsigned elements; /* $elemMatch around: paths there are not the attributes' */
    unsigned level;    /* of the segments referred to, the highest */
    const char *inputs[CONDITION_INPUTS_MAX];
    size_t n_inputs;
};

/* Notes a mistake at c->place; the node stays TEST_NEVER. */
void compile_refuse(struct compiler *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room in the arena, or NULL (no_memory). */
void *compile_room(struct compiler *c, size_t n, size_t size);
bool compile_enter(struct compiler *c); /* one deeper; false (refused) when that is too deep */

/* {"country": …, "$or": […]}: asked of an object. */
void compile_condition(struct compiler *c, const struct attr *definition, struct node *out);
/* A value, or an object of operators. */
void compile_demand(struct compiler *c, const struct attr *demand, struct node *out);
bool compile_is_operator(const struct attr_field *f); /* begins with $ */
bool compile_only_operators(const struct attr *v);    /* an object of nothing but operators, and not empty */
bool compile_known_operator(const char *name);        /* on a value */

/* A text that is a decimal number and nothing else. */
bool condition_text_number(const struct attr *text, double *out);

#endif
