/* cohortctl psql: becomes psql on the server's database. */
#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cohortctl/command.h"
#include "cohortctl/discover.h"

/* The connection goes into the environment, so that every option and argument of psql stays free. */
static int export_connection(const char *conninfo, struct error *e)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &why);
    if (!options) {
        int rc = error_set(e, ERR_INVALID, "--database", "%s", why ? why : "out of memory");
        PQfreemem(why);
        return rc;
    }
    for (PQconninfoOption *o = options; o->keyword; o++)
        if (o->val && o->envvar)
            setenv(o->envvar, o->val, 1);
    PQconninfoFree(options);
    const char *more = getenv("PGOPTIONS");
    char text[1024];
    snprintf(text, sizeof text, "-c search_path=cohort,public %s", more ? more : "");
    setenv("PGOPTIONS", text, 1);
    return 0;
}

/* Our sentences speak for themselves: which function raised them (psql's CONTEXT) is noise to people. A -v of
 * the caller's own comes later and wins. */
static int become_psql(int argc, char **argv, struct error *e)
{
    char **all = calloc((size_t)argc + 3, sizeof *all);
    if (!all)
        return error_set(e, ERR_NOMEM, "psql", "out of memory");
    all[0] = (char[]){"psql"};
    all[1] = (char[]){"-v"};
    all[2] = (char[]){"SHOW_CONTEXT=never"};
    for (int i = 1; i < argc; i++)
        all[i + 2] = argv[i];
    execvp("psql", all);
    execv(PG_BINDIR "/psql", all);
    int why = errno;
    free(all);
    return error_set(e, ERR_IO, "psql",
                     "can't be run: %s; install it with: apt-get install postgresql-client-15",
                     strerror(why));
}

int command_psql(struct ctl *c, int argc, char **argv, struct error *e)
{
    const struct cli_usage usage = {
        "psql [ARGS]",
        "Opens psql on the server's database, with the schema cohort in the search path.\n"
        "Everything behind the word psql goes to psql as it is: cohortctl psql -c 'select * from "
        "experiments'.\n"
        "Global options go in front of it: cohortctl --data DIR psql",
        NULL,
        0,
        0,
        0};
    char *conninfo;
    int n;
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return cli_parse(&usage, c, argc, argv, &n, e);
    int rc = discover_database(c, &conninfo, e);
    if (rc < 0)
        return rc;
    rc = export_connection(conninfo, e);
    free(conninfo);
    return rc < 0 ? rc : become_psql(argc, argv, e);
}
