/* cohortctl layers, layer-map: what layers there are, and who owns what of one. */
#include <stdio.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/json_text.h"
#include "cohortctl/kind.h"
#include "cohortctl/request.h"
#include "cohortctl/table.h"

static int print_table(struct table *t, struct error *e)
{
    int rc = t ? table_print(t, stdout, 0) : ERR_NOMEM;
    table_free(t);
    return rc < 0 ? error_set(e, rc, "", "out of memory") : 0;
}

static int print_layers(const json_t *list, struct error *e)
{
    struct table *t = table_new("lll");
    size_t i;
    const json_t *x;
    if (json_array_size(list) == 0) {
        table_free(t);
        printf("No layers yet. Create one with: cohortctl apply layers/KEY.json\n");
        return 0;
    }
    if (t) {
        table_add(t, "layer");
        table_add(t, "team");
        table_add(t, "description");
    }
    json_array_foreach(list, i, x)
    {
        if (!t)
            break;
        table_add(t, "%s", json_text_of(x, "key"));
        table_add(t, "%s", json_text_of(x, "team"));
        table_add(t, "%s", json_text_of(x, "description"));
    }
    return print_table(t, e);
}

int command_layers(struct ctl *c, int argc, char **argv, struct error *e)
{
    const struct cli_usage usage = {
        "layers", "Lists the layers; layer-map KEY tells who owns what of one.", NULL, 0, 0, 0};
    struct client *client = NULL;
    json_t *list = NULL;
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc == 0)
        rc = request_all(client, "/v1/layers", "items", &list, e);
    if (rc == 0)
        rc = print_layers(list, e);
    json_decref(list);
    client_close(client);
    return rc;
}

/* [[0,300000],[500000,500100]] as "0-299999, 500000-500099". */
static void slots_text(const json_t *slots, char *out, size_t cap)
{
    size_t i, n = 0;
    const json_t *range;
    out[0] = '\0';
    json_array_foreach(slots, i, range)
    {
        json_int_t lo = json_integer_value(json_array_get(range, 0));
        json_int_t hi = json_integer_value(json_array_get(range, 1));
        if (n + 60 > cap) {
            snprintf(out + n, cap - n, ", …");
            return;
        }
        n += (size_t)snprintf(out + n, cap - n, "%s%lld-%lld", i ? ", " : "", (long long)lo,
                              (long long)hi - 1);
    }
}

static int print_map(const json_t *map, struct error *e)
{
    struct table *t = table_new("lrl");
    char slots[400];
    size_t i;
    const json_t *x;
    if (t) {
        table_add(t, "experiment");
        table_add(t, "ppm");
        table_add(t, "slots");
    }
    json_array_foreach(map, i, x)
    {
        if (!t)
            break;
        const char *name = json_string_value(json_object_get(x, "experiment"));
        slots_text(json_object_get(x, "slots"), slots, sizeof slots);
        table_add(t, "%s", name ? name : "(free)");
        table_add(t, "%lld", (long long)json_integer_value(json_object_get(x, "ppm")));
        table_add(t, "%s", slots);
    }
    return print_table(t, e);
}

int command_layer_map(struct ctl *c, int argc, char **argv, struct error *e)
{
    const struct cli_usage usage = {
        "layer-map KEY",
        "Prints which experiments own how much of the layer, in parts per million and as slots, and what is "
        "free.",
        NULL,
        0,
        1,
        1};
    json_t *map = NULL;
    char path[400];
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = kind_path(kind_find("layers", strlen("layers")), "KEY", argv[0], path, sizeof path - 4, e);
    if (rc < 0)
        return rc;
    strcat(path, "/map");
    rc = request_once(c, ROLE_ADMIN, "GET", path, argv[0], NULL, &map, e);
    if (rc == 0)
        rc = print_map(map, e);
    json_decref(map);
    return rc;
}
