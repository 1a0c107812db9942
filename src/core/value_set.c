#include "core/value_set.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/fold.h"

struct value_set {
    bool fold;
    bool has_null, has_false, has_true;
    double *numbers; /* sorted, distinct */
    size_t n_numbers;
    char *bytes;      /* of the texts, sorted, distinct, one behind the other */
    uint32_t *starts; /* n_texts + 1 of them */
    size_t n_texts;
    const struct attr **others; /* arrays and objects */
    size_t n_others;
    size_t price;
};

/* --- making one --- */

static int number_order(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int text_order(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* The first bytes behind what all texts begin with are kept beside the pointer: most comparisons of a long
 * list end there (10^6 of them: sorted in 0.8 s instead of 1.3). */
struct text {
    uint64_t head;
    const char *s;
    size_t len;
};

static int texts_order(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    if (x->head != y->head)
        return x->head < y->head ? -1 : 1;
    return text_order(x->s, x->len, y->s, y->len);
}

static uint64_t head_of(const char *s, size_t len)
{
    uint64_t head = 0;
    for (size_t i = 0; i < sizeof head; i++)
        head = head << 8 | (i < len ? (unsigned char)s[i] : 0);
    return head;
}

static bool sort_numbers(struct arena *a, const struct attr *array, struct value_set *s)
{
    s->numbers = arena_alloc(a, s->n_numbers * sizeof *s->numbers);
    if (!s->numbers)
        return false;
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < array->u.array.n; i++)
        if (array->u.array.items[i].type == ATTR_NUMBER)
            s->numbers[n++] = array->u.array.items[i].u.number;
    if (n > 1)
        qsort(s->numbers, n, sizeof *s->numbers, number_order);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || s->numbers[kept - 1] != s->numbers[i])
            s->numbers[kept++] = s->numbers[i];
    s->n_numbers = kept;
    return true;
}

/* How many bytes they all begin with. */
static size_t common_start(const struct text *texts, size_t n)
{
    size_t common = n > 0 ? texts[0].len : 0;
    for (size_t i = 1; i < n && common > 0; i++) {
        size_t k = 0;
        while (k < common && k < texts[i].len && texts[i].s[k] == texts[0].s[k])
            k++;
        common = k;
    }
    return common;
}

/* Sorted texts, still where they were (or folded in `folded`). */
static size_t collect_texts(const struct attr *array, bool fold, char *folded, struct text *out)
{
    size_t n = 0;
    for (size_t i = 0; i < array->u.array.n; i++) {
        const struct attr *v = &array->u.array.items[i];
        if (v->type != ATTR_STRING)
            continue;
        out[n].s = v->u.string.s;
        out[n].len = v->u.string.len;
        if (fold) {
            out[n].len = fold_text(v->u.string.s, v->u.string.len, folded);
            out[n].s = folded;
            folded += out[n].len;
        }
        n++;
    }
    size_t common = common_start(out, n);
    for (size_t i = 0; i < n; i++)
        out[i].head = head_of(out[i].s + common, out[i].len - common);
    if (n > 1)
        qsort(out, n, sizeof *out, texts_order);
    return n;
}

static bool store_texts(struct arena *a, const struct text *texts, size_t n, struct value_set *s)
{
    size_t bytes = 0, kept = 0;
    for (size_t i = 0; i < n; i++)
        bytes += texts[i].len;
    if (bytes > UINT32_MAX)
        return false;
    s->bytes = arena_alloc(a, bytes);
    s->starts = arena_alloc(a, (n + 1) * sizeof *s->starts);
    if (!s->bytes || !s->starts)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && texts_order(&texts[i - 1], &texts[i]) == 0)
            continue;
        memcpy(s->bytes + s->starts[kept], texts[i].s, texts[i].len);
        s->starts[kept + 1] = s->starts[kept] + (uint32_t)texts[i].len;
        kept++;
    }
    s->n_texts = kept;
    return true;
}

static bool sort_texts(struct arena *a, const struct attr *array, struct value_set *s)
{
    size_t bytes = 0;
    for (size_t i = 0; s->fold && i < array->u.array.n; i++)
        if (array->u.array.items[i].type == ATTR_STRING)
            bytes +=
                fold_text(array->u.array.items[i].u.string.s, array->u.array.items[i].u.string.len, NULL);
    struct text *texts = malloc(s->n_texts * sizeof *texts + 1);
    char *folded = malloc(bytes + 1);
    bool ok = texts && folded && store_texts(a, texts, collect_texts(array, s->fold, folded, texts), s);
    free(texts);
    free(folded);
    return ok;
}

static bool keep_others(struct arena *a, const struct attr *array, struct value_set *s)
{
    s->others = arena_alloc(a, s->n_others * sizeof *s->others);
    size_t n = 0;
    for (size_t i = 0; s->others && i < array->u.array.n; i++) {
        const struct attr *v = &array->u.array.items[i];
        if (v->type != ATTR_ARRAY && v->type != ATTR_OBJECT)
            continue;
        s->others[n++] = v;
        s->price += attr_weight(v);
    }
    return s->others != NULL;
}

static void count(const struct attr *v, struct value_set *s)
{
    switch (v->type) {
    case ATTR_NULL:
        s->has_null = true;
        break;
    case ATTR_BOOL:
        s->has_true = s->has_true || v->u.boolean;
        s->has_false = s->has_false || !v->u.boolean;
        break;
    case ATTR_NUMBER:
        s->n_numbers++;
        break;
    case ATTR_STRING:
        s->n_texts++;
        break;
    case ATTR_ARRAY:
    case ATTR_OBJECT:
        s->n_others++;
        break;
    }
}

const struct value_set *value_set_new(struct arena *a, const struct attr *array, bool fold)
{
    struct value_set *s = arena_alloc(a, sizeof *s);
    if (!s)
        return NULL;
    s->fold = fold;
    s->price = 1;
    for (size_t i = 0; i < array->u.array.n; i++)
        count(&array->u.array.items[i], s);
    if (!sort_numbers(a, array, s) || !sort_texts(a, array, s) || !keep_others(a, array, s))
        return NULL;
    return s;
}

/* --- looking --- */

static int compare_with(const struct value_set *s, size_t i, const struct attr *v)
{
    const char *text = s->bytes + s->starts[i];
    size_t len = s->starts[i + 1] - s->starts[i];
    return s->fold ? fold_compare(v->u.string.s, v->u.string.len, text, len)
                   : text_order(v->u.string.s, v->u.string.len, text, len);
}

static size_t place_of_text(const struct value_set *s, const struct attr *v)
{
    size_t low = 0, high = s->n_texts;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_with(s, middle, v);
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return SIZE_MAX;
}

static size_t place_of_number(const struct value_set *s, double v)
{
    const double *at = s->n_numbers ? bsearch(&v, s->numbers, s->n_numbers, sizeof v, number_order) : NULL;
    return at ? (size_t)(at - s->numbers) : SIZE_MAX;
}

/* The order of places: null, false, true, numbers, texts. */
size_t value_set_place(const struct value_set *s, const struct attr *v)
{
    size_t base = s->has_null, place;
    switch (v->type) {
    case ATTR_NULL:
        return s->has_null ? 0 : SIZE_MAX;
    case ATTR_BOOL:
        if (!v->u.boolean)
            return s->has_false ? base : SIZE_MAX;
        return s->has_true ? base + s->has_false : SIZE_MAX;
    case ATTR_NUMBER:
        place = place_of_number(s, v->u.number);
        base += (size_t)s->has_false + s->has_true;
        return place == SIZE_MAX ? place : base + place;
    case ATTR_STRING:
        place = place_of_text(s, v);
        base += (size_t)s->has_false + s->has_true + s->n_numbers;
        return place == SIZE_MAX ? place : base + place;
    case ATTR_ARRAY:
    case ATTR_OBJECT:
        break;
    }
    return SIZE_MAX;
}

size_t value_set_scalars(const struct value_set *s)
{
    return (size_t)s->has_null + s->has_false + s->has_true + s->n_numbers + s->n_texts;
}

bool value_set_has(const struct value_set *s, const struct attr *v)
{
    if (!s)
        return false;
    if (v->type != ATTR_ARRAY && v->type != ATTR_OBJECT)
        return value_set_place(s, v) != SIZE_MAX;
    for (size_t i = 0; i < s->n_others; i++)
        if (attr_equal(s->others[i], v))
            return true;
    return false;
}

size_t value_set_price(const struct value_set *s)
{
    return s ? s->price : 1;
}
