/* cohortctl start, stop, pause, …: what is done to an experiment, one POST each. */
#include <stdio.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/path.h"
#include "cohortctl/request.h"
#include "cohortctl/values.h"

#define PPM 1000000

/* Fills a body with what an action takes beside the reason. */
typedef int fill_fn(json_t *body, char **args, const void *options, struct error *e);

struct action {
    const char *verb; /* of the path */
    const char *synopsis, *about;
    int n_args; /* with KEY */
    fill_fn *fill;
    const void *taken; /* for fill */
    struct cli_option options[3];
    size_t n_options;
};

static int take_ppm(const char *place, const char *text, int64_t *ppm, struct error *e)
{
    return value_count(place, text, 0, PPM, ppm, e);
}

/* Takes over the body. */
static int post(struct ctl *c, const struct action *a, const char *key, json_t *body, struct error *e)
{
    char path[400], tail[16];
    json_t *answer = NULL;
    snprintf(tail, sizeof tail, "/%s", a->verb);
    int rc = path_of_experiment(key, tail, path, sizeof path, e);
    if (rc < 0) {
        json_decref(body);
        return rc;
    }
    rc = request_once(c, ROLE_ADMIN, "POST", path, key, body, &answer, e);
    if (rc == 0) {
        const char *status = json_string_value(json_object_get(answer, "status"));
        const char *named = json_string_value(json_object_get(answer, "key"));
        printf("%s: %s\n", named ? named : key, status ? status : "done");
    }
    json_decref(answer);
    return rc;
}

static int act(struct ctl *c, struct action *a, int argc, char **argv, struct error *e)
{
    const char *reason = NULL;
    a->options[a->n_options++] =
        (struct cli_option){"--reason", CLI_TEXT, &reason, "TEXT", "why; kept in the experiment's history"};
    const struct cli_usage usage = {a->synopsis, a->about, a->options, a->n_options, a->n_args, a->n_args};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    json_t *body = request_reason(reason);
    if (!body)
        return error_set(e, ERR_INVALID, "--reason", "is not valid UTF-8");
    rc = a->fill ? a->fill(body, argv, a->taken, e) : 0;
    if (rc == 0)
        return post(c, a, argv[0], body, e);
    json_decref(body);
    return rc;
}

/* --- those that take a reason only --- */

static int plain(struct ctl *c, const char *verb, const char *synopsis, const char *about, int argc,
                 char **argv, struct error *e)
{
    struct action a = {.verb = verb, .synopsis = synopsis, .about = about, .n_args = 1};
    return act(c, &a, argc, argv, e);
}

int command_start(struct ctl *c, int argc, char **argv, struct error *e)
{
    return plain(c, "start", "start KEY [--reason TEXT]",
                 "Starts an experiment that is a draft: from now on its customers are assigned. With a "
                 "starts_at\n"
                 "in the future it is scheduled.",
                 argc, argv, e);
}

int command_stop(struct ctl *c, int argc, char **argv, struct error *e)
{
    return plain(c, "stop", "stop KEY [--reason TEXT]",
                 "Stops a running experiment: every customer gets the flag's fallback from now on.", argc,
                 argv, e);
}

int command_pause(struct ctl *c, int argc, char **argv, struct error *e)
{
    return plain(c, "pause", "pause KEY [--reason TEXT]",
                 "Pauses a running experiment: everybody gets the fallback until it is resumed. Outcomes of "
                 "those\n"
                 "who were exposed still count.",
                 argc, argv, e);
}

int command_resume(struct ctl *c, int argc, char **argv, struct error *e)
{
    return plain(c, "resume", "resume KEY [--reason TEXT]",
                 "Resumes a paused experiment: every customer gets the variant he had.", argc, argv, e);
}

int command_archive(struct ctl *c, int argc, char **argv, struct error *e)
{
    return plain(c, "archive", "archive KEY [--reason TEXT]",
                 "Puts a stopped experiment away. Its data and results stay.", argc, argv, e);
}

/* --- ramp --- */

struct ramp_options {
    const char *traffic;
    struct cli_list shares;
};

static int add_share(json_t *shares, const char *text, struct error *e)
{
    char name[128];
    const char *at = strchr(text, '=');
    int64_t ppm;
    if (!at || at == text || (size_t)(at - text) >= sizeof name)
        return error_set(e, ERR_INVALID, "--share", "takes VARIANT=PPM, such as control=500000, not '%.60s'",
                         text);
    snprintf(name, sizeof name, "%.*s", (int)(at - text), text);
    int rc = take_ppm("--share", at + 1, &ppm, e);
    if (rc == 0 && json_object_get(shares, name))
        rc = error_set(e, ERR_INVALID, "--share", "names %s twice", name);
    if (rc == 0 && json_object_set_new(shares, name, json_integer(ppm)) < 0)
        rc = error_set(e, ERR_INVALID, "--share", "is not valid UTF-8");
    return rc;
}

static int fill_ramp(json_t *body, char **args, const void *taken, struct error *e)
{
    const struct ramp_options *o = taken;
    int64_t ppm;
    (void)args;
    if (!o->traffic)
        return error_set(e, ERR_INVALID, "--traffic", "is missing; --traffic 200000 is 20 %% of the traffic");
    int rc = take_ppm("--traffic", o->traffic, &ppm, e);
    if (rc < 0)
        return rc;
    json_object_set_new(body, "traffic_ppm", json_integer(ppm));
    if (o->shares.n == 0)
        return 0;
    json_t *shares = json_object();
    json_object_set_new(body, "shares", shares);
    for (size_t i = 0; i < o->shares.n && rc == 0; i++)
        rc = add_share(shares, o->shares.items[i], e);
    return rc;
}

int command_ramp(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct ramp_options o = {.traffic = NULL};
    struct action a = {
        .verb = "ramp",
        .synopsis = "ramp KEY --traffic PPM [--share VARIANT=PPM]… [--reason TEXT]",
        .about = "Lets more or less of the traffic in, in parts per million. More opens a phase for the new "
                 "part,\n"
                 "with shares of its own if you like; less closes the newest part. Nobody moves between "
                 "variants.",
        .n_args = 1,
        .fill = fill_ramp,
        .taken = &o,
        .options = {{"--traffic", CLI_TEXT, &o.traffic, "PPM", "how much of the traffic takes part"},
                    {"--share", CLI_LIST, &o.shares, "VARIANT=PPM",
                     "a variant's share of the part that opens; name every variant"}},
        .n_options = 2};
    return act(c, &a, argc, argv, e);
}

/* --- grow --- */

static int fill_grow(json_t *body, char **args, const void *taken, struct error *e)
{
    const char *const *text = taken;
    int64_t ppm;
    (void)args;
    if (!*text)
        return error_set(e, ERR_INVALID, "--layer-ppm",
                         "is missing; --layer-ppm 300000 is 30 %% of the layer");
    int rc = take_ppm("--layer-ppm", *text, &ppm, e);
    if (rc == 0)
        json_object_set_new(body, "layer_ppm", json_integer(ppm));
    return rc;
}

int command_grow(struct ctl *c, int argc, char **argv, struct error *e)
{
    const char *ppm = NULL;
    struct action a = {
        .verb = "grow",
        .synopsis = "grow KEY --layer-ppm PPM [--reason TEXT]",
        .about = "Gives a running experiment more of its layer, out of what is free there. Nobody moves.",
        .n_args = 1,
        .fill = fill_grow,
        .taken = &ppm,
        .options = {{"--layer-ppm", CLI_TEXT, &ppm, "PPM", "how much of the layer it has then"}},
        .n_options = 1};
    return act(c, &a, argc, argv, e);
}

/* --- drop-arm, ship --- */

static int fill_variant(json_t *body, char **args, const void *taken, struct error *e)
{
    const char *const *holdback = taken;
    int64_t ppm;
    int rc = path_check_key("VARIANT", args[1], e);
    if (rc == 0)
        json_object_set_new(body, "variant", json_string(args[1]));
    if (rc == 0 && holdback && *holdback) {
        rc = take_ppm("--holdback", *holdback, &ppm, e);
        json_object_set_new(body, "holdback_ppm", json_integer(rc == 0 ? ppm : 0));
    }
    return rc;
}

int command_drop_arm(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct action a = {.verb = "drop_arm",
                       .synopsis = "drop-arm KEY VARIANT [--reason TEXT]",
                       .about = "Ends one variant of a running experiment: its customers get the fallback. "
                                "The others stay where they are.",
                       .n_args = 2,
                       .fill = fill_variant};
    return act(c, &a, argc, argv, e);
}

int command_ship(struct ctl *c, int argc, char **argv, struct error *e)
{
    const char *holdback = NULL;
    struct action a = {
        .verb = "ship",
        .synopsis = "ship KEY VARIANT [--holdback PPM] [--reason TEXT]",
        .about = "Gives the variant to everybody, but for a share that keeps control to go on measuring.",
        .n_args = 2,
        .fill = fill_variant,
        .taken = &holdback,
        .options = {{"--holdback", CLI_TEXT, &holdback, "PPM", "the share that keeps control (none)"}},
        .n_options = 1};
    return act(c, &a, argc, argv, e);
}

/* --- restart, clone --- */

static int fill_restart(json_t *body, char **args, const void *taken, struct error *e)
{
    const char *const *changes = taken;
    json_error_t why;
    (void)args;
    if (!*changes)
        return 0;
    json_t *patch = json_loads(*changes, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(patch)) {
        json_decref(patch);
        return error_set(e, ERR_INVALID, "--changes",
                         "takes a JSON object, such as '{\"traffic_ppm\": 50000}'");
    }
    json_object_set_new(body, "changes", patch);
    return 0;
}

int command_restart(struct ctl *c, int argc, char **argv, struct error *e)
{
    const char *changes = NULL;
    struct action a = {
        .verb = "restart",
        .synopsis = "restart KEY [--changes JSON] [--reason TEXT]",
        .about = "Ends this run of an experiment and begins a new one: everybody is drawn anew and counted "
                 "anew.\n"
                 "The results of the run before stay.",
        .n_args = 1,
        .fill = fill_restart,
        .taken = &changes,
        .options = {{"--changes", CLI_TEXT, &changes, "JSON",
                     "what the new run has different: a merge patch of the document"}},
        .n_options = 1};
    return act(c, &a, argc, argv, e);
}

static int fill_clone(json_t *body, char **args, const void *taken, struct error *e)
{
    (void)taken;
    int rc = path_check_key("NEW", args[1], e);
    if (rc == 0)
        json_object_set_new(body, "key", json_string(args[1]));
    return rc;
}

int command_clone(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct action a = {.verb = "clone",
                       .synopsis = "clone KEY NEW [--reason TEXT]",
                       .about = "Makes a draft NEW with the definition of KEY, behind the same flag. Its "
                                "customers are drawn anew.",
                       .n_args = 2,
                       .fill = fill_clone};
    return act(c, &a, argc, argv, e);
}
