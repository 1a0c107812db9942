/* Checks the assignment contract against worked numbers.
 *
 *     assignment [FILE.json]        (default: the project's own file)
 *
 * FILE: {"edges": [{"w", "slot"}], "cases": [{"key", "unit_type", "raw", "unit", "salt", "words", "slots"}]};
 * key and salt in hexadecimal. One line a failing case, then "N passed, N failed". Exits 1 when one failed
 * and 2 when the file could not be read. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "core/draw.h"
#include "core/unit.h"

static const char *text_of(const json_t *c, const char *name)
{
    const char *s = json_string_value(json_object_get(c, name));
    return s ? s : "";
}

static bool hex_of(const json_t *c, const char *name, uint8_t *out, size_t max, size_t *n)
{
    const char *hex = text_of(c, name);
    return sodium_hex2bin(out, max, hex, strlen(hex), NULL, n, NULL) == 0 && *n > 0 && strlen(hex) == 2 * *n;
}

static bool edge_holds(const json_t *c)
{
    json_int_t w = json_integer_value(json_object_get(c, "w"));
    uint32_t slot = slot_of((uint32_t)w);
    if ((json_int_t)slot == json_integer_value(json_object_get(c, "slot")))
        return true;
    printf("edge w = %lld: slot %u\n", (long long)w, slot);
    return false;
}

static bool unit_holds(const json_t *c, struct unit *unit)
{
    uint8_t key[256];
    size_t key_len;
    struct unit_key k;
    char printed[37];
    const json_t *raw = json_object_get(c, "raw");
    const char *type = text_of(c, "unit_type");
    if (!hex_of(c, "key", key, sizeof key, &key_len) || unit_type_check(type, strlen(type), NULL) != 0 ||
        !json_is_string(raw) || unit_raw_check(json_string_value(raw), json_string_length(raw), NULL) != 0)
        return false;
    unit_key_init(&k, key, key_len);
    unit_from_raw(&k, type, strlen(type), json_string_value(raw), json_string_length(raw), unit);
    uuid_format(unit->bytes, printed);
    return strcmp(printed, text_of(c, "unit")) == 0;
}

static bool draw_holds(const json_t *c, const struct unit *unit)
{
    uint8_t salt[SALT_BYTES];
    size_t salt_len;
    struct draw d;
    if (!hex_of(c, "salt", salt, sizeof salt, &salt_len) || salt_len != sizeof salt)
        return false;
    draw_unit(salt, unit, &d);
    const json_t *words = json_object_get(c, "words"), *slots = json_object_get(c, "slots");
    if (json_array_size(words) != 8 || json_array_size(slots) != 8)
        return false;
    for (size_t i = 0; i < 8; i++)
        if (json_integer_value(json_array_get(words, i)) != (json_int_t)d.w[i] ||
            json_integer_value(json_array_get(slots, i)) != (json_int_t)slot_of(d.w[i]))
            return false;
    return true;
}

static bool case_holds(const json_t *c, size_t i)
{
    struct unit unit;
    const char *what = !unit_holds(c, &unit) ? "unit" : !draw_holds(c, &unit) ? "draw" : NULL;
    if (what)
        printf("case %zu (%s, %.60s): %s differs\n", i, text_of(c, "unit_type"), text_of(c, "raw"), what);
    return !what;
}

static json_t *load(const char *given)
{
    char own[4096];
    json_error_t je;
    const char *srcdir = getenv("srcdir");
    snprintf(own, sizeof own, "%s/tests/vectors/assignment.json", srcdir ? srcdir : ".");
    const char *path = given ? given : own;
    json_t *doc = json_load_file(path, JSON_REJECT_DUPLICATES, &je);
    if (!doc)
        fprintf(stderr, "assignment: %s: line %d: %s\n", path, je.line, je.text);
    return doc;
}

int main(int argc, char **argv)
{
    size_t passed = 0, failed = 0;
    if (sodium_init() < 0)
        return 2;
    json_t *doc = load(argc > 1 ? argv[1] : NULL);
    if (!doc)
        return 2;
    const json_t *edges = json_object_get(doc, "edges"), *cases = json_object_get(doc, "cases");
    for (size_t i = 0; i < json_array_size(edges); i++)
        edge_holds(json_array_get(edges, i)) ? passed++ : failed++;
    for (size_t i = 0; i < json_array_size(cases); i++)
        case_holds(json_array_get(cases, i), i) ? passed++ : failed++;
    printf("%zu passed, %zu failed\n", passed, failed);
    json_decref(doc);
    return failed > 0 || passed == 0;
}
