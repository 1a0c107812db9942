#include "cohortd/options.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URL_MAX 256

#define AT_START(type, field) type, offsetof(struct config, field), false
#define LIVE(type, field) type, offsetof(struct config, field), true /* read again at SIGHUP */
#define TEXT(field) AT_START(OPTION_TEXT, field)
#define NUMBER(field) AT_START(OPTION_NUMBER, field)
#define LIVE_TEXT(field) LIVE(OPTION_TEXT, field)
#define LIVE_NUMBER(field) LIVE(OPTION_NUMBER, field)

static const char storage[] = "Data and database";
static const char serving[] = "Serving";
static const char events[] = "Events";
static const char limits[] = "Limits of HTTP";

/* clang-format off */
const struct option_entry option_table[] = {
    {storage, "data", "DIR", TEXT(data), "./cohort-data", 0, 0, NULL,
     "Directory of everything this node keeps: the embedded database, the spool, the keys. Made when absent."},
    {storage, "database", "CONNINFO", TEXT(database), "", 0, 0, "an embedded database in DIR/pg",
     "Connection string or URI of your own PostgreSQL, 15 or newer, to use instead of the embedded one."},
    {storage, "database_wait", "SECONDS", NUMBER(database_wait), "60", 0, 86400, NULL,
     "How long a start without a snapshot waits for a database that does not answer yet, before it gives up."},
    {storage, "pg_bindir", "DIR", TEXT(pg_bindir), PG_BINDIR, 0, 0, NULL,
     "Where initdb and postgres of the embedded database are."},
    {storage, "os_user", "NAME", TEXT(os_user), "postgres", 0, 0, NULL,
     "System user the embedded database runs as when cohortd is started by root."},
    {storage, "node_name", "NAME", TEXT(node_name), "", 0, 0, "the name in DIR/node, made from the host's at the first start",
     "Name of this node in the database and in logs, at most 64 printable characters."},

    {serving, "listen", "LIST", TEXT(listen), "127.0.0.1:8440", 0, 0, NULL,
     "Where HTTP is served: addresses as ADDR:PORT or unix:/PATH, separated by blanks. Port 0 takes a free one; DIR/server.json says which."},
    {serving, "socket_mode", "MODE", AT_START(OPTION_MODE, socket_mode), "0660", 0, 0777, NULL,
     "Permissions of unix sockets, in octal. Who may write to one may ask."},
    {serving, "tls_cert", "FILE", LIVE_TEXT(tls_cert), "", 0, 0, "none: plain HTTP",
     "Certificate of the server and those behind it, PEM. With it every TCP address speaks TLS; unix sockets stay plain. The file is read again "
     "at SIGHUP."},
    {serving, "tls_key", "FILE", LIVE_TEXT(tls_key), "", 0, 0, "in the file of tls_cert",
     "Private key of the certificate, PEM, without a passphrase. Read again with it."},
    {serving, "workers", "N", NUMBER(workers), "0", 0, 256, "0: one for each processor core",
     "Threads that serve HTTP."},
    {serving, "cors_origins", "LIST", LIVE_TEXT(cors_origins), "*", 0, 0, NULL,
     "Origins of browsers that may ask, separated by blanks; * for all, empty for none."},
    {serving, "public_url", "URL", AT_START(OPTION_URL, public_url), "", 0, 0, "clients use the origin they know this server by",
     "Where clients reach this server, when a proxy serves it below a path: https://example.com/cohort. Event streams are offered there."},
    {serving, "drain_seconds", "SECONDS", LIVE_NUMBER(drain_seconds), "10", 0, 3600, NULL,
     "How long a stop waits for open requests, and again for events still to be shipped. A second signal ends at once."},
    {serving, "drain_notice_seconds", "SECONDS", LIVE_NUMBER(drain_notice_seconds), "0", 0, 3600, NULL,
     "How long a stop first serves on while /readyz says 503, so that a proxy that looks there sends new requests elsewhere."},
    {serving, "log_level", "LEVEL", LIVE(OPTION_LEVEL, log_level), "info", 0, 0, NULL,
     "error, warn, info or debug. Log lines go to standard error."},
    {serving, "log_format", "FORMAT", LIVE(OPTION_LOG_FORMAT, log_format), "text", 0, 0, NULL,
     "text: lines for people. json: one JSON object a line."},
    {serving, "log_requests", "WHICH", LIVE(OPTION_LOG_REQUESTS, log_requests), "errors", 0, 0, NULL,
     "errors: requests answered with a status of 500 or above, at most 10 lines a second. all: every one. off: none."},

    {events, "event_max_age", "SECONDS", LIVE_NUMBER(event_max_age), "604800", 60, 315360000, NULL,
     "Events older than this when they arrive are rejected as too old."},
    {events, "event_max_future", "SECONDS", LIVE_NUMBER(event_max_future), "300", 0, 86400, NULL,
     "Events later than the server's clock by more than this are rejected."},
    {events, "client_events", "MODE", LIVE(OPTION_CLIENT_EVENTS, client_events), "open", 0, 0, NULL,
     "open: client keys report events of any unit. token: only of units they asked about, shown by the eventToken of the answer."},
    {events, "decision_durability", "MODE", AT_START(OPTION_DURABILITY, decision_durability), "async", 0, 0, NULL,
     "async: a decision is answered at once, its record is on disk some milliseconds later. sync: the answer waits until it is."},
    {events, "retention_days", "DAYS", NUMBER(retention_days), "400", 0, 36500, NULL,
     "Outcomes and decisions older than this are dropped, day by day; what they had counted stays counted. 0 keeps them."},
    {events, "spool_max_bytes", "BYTES", NUMBER(spool_max_bytes), "4294967296", 1048576, INT64_C(1) << 50, NULL,
     "Events that wait for the database take at most this much disk; over it new ones are answered 503."},
    {events, "spool_grace_seconds", "SECONDS", NUMBER(spool_grace_seconds), "60", 0, 604800, NULL,
     "How long stored events stay in the spool, to be sent again after a failover that lost them."},
    {events, "ship_interval_ms", "MS", NUMBER(ship_interval_ms), "150", 1, 60000, NULL,
     "How long a small batch waits for company before it goes to the database."},

    {limits, "max_connections", "N", LIVE_NUMBER(max_connections), "10000", 1, 1000000, NULL,
     "Open connections in total."},
    {limits, "max_connections_per_address", "N", LIVE_NUMBER(max_connections_per_address), "1000", 1, 1000000, NULL,
     "Open connections of one client address; an IPv6 /64 network counts as one. Trusted proxies may have more."},
    {limits, "rate_per_key", "N", LIVE_NUMBER(rate_per_key), "0", 0, 1000000, "0: no limit",
     "Requests a second of one API key. More are answered 429."},
    {limits, "burst_per_key", "N", LIVE_NUMBER(burst_per_key), "0", 0, 1000000, "0: as many as in one second",
     "How many of them may come at once after a pause."},
    {limits, "rate_per_address", "N", LIVE_NUMBER(rate_per_address), "0", 0, 1000000, "0: no limit",
     "Requests a second of one client address with a client key or without a key; servers' keys count by themselves. "
     "Behind a proxy, set trusted_proxies too."},
    {limits, "burst_per_address", "N", LIVE_NUMBER(burst_per_address), "0", 0, 1000000, "0: as many as in one second",
     "How many of them may come at once after a pause."},
    {limits, "rate_failed_auth", "N", LIVE_NUMBER(rate_failed_auth), "20", 0, 1000000, NULL,
     "Requests a second of one client address that lack a good API key where one is needed; then 429 instead of 401. 0: no limit."},
    {limits, "burst_failed_auth", "N", LIVE_NUMBER(burst_failed_auth), "200", 0, 1000000, NULL,
     "How many of them may come at once after a pause. 0: as many as in one second."},
    {limits, "trusted_proxies", "LIST", LIVE_TEXT(trusted_proxies), "", 0, 0, "empty: X-Forwarded-For is not looked at",
     "Addresses and networks (10.0.0.0/8) of proxies, separated by blanks, and unix for those on a unix socket: behind them a client's "
     "address is the last one in X-Forwarded-For that is not listed here."},
    {limits, "max_streams", "N", LIVE_NUMBER(max_streams), "5000", 0, 1000000, NULL,
     "Event streams open at a time, by which pages learn of changes; each is a connection, too. 0 offers none: pages poll."},
    {limits, "max_wait_ms", "MS", LIVE_NUMBER(max_wait_ms), "50", 0, 60000, NULL,
     "A worker that can't keep up refuses at once (429 or 503) what would wait longer than about this. 0: everything waits."},
    {limits, "max_body_bytes", "BYTES", LIVE_NUMBER(max_body_bytes), "4194304", 1024, 67108864, NULL,
     "Largest body of a batch of events."},
    {limits, "header_seconds", "SECONDS", LIVE_NUMBER(header_seconds), "10", 1, 3600, NULL,
     "From a request's first byte to the end of its headers."},
    {limits, "body_seconds", "SECONDS", LIVE_NUMBER(body_seconds), "30", 1, 3600, NULL,
     "From then to the end of its body."},
    {limits, "idle_seconds", "SECONDS", LIVE_NUMBER(idle_seconds), "75", 1, 86400, NULL,
     "How long a connection may be idle between requests."},
    {limits, "write_seconds", "SECONDS", LIVE_NUMBER(write_seconds), "30", 1, 3600, NULL,
     "A client that takes no byte of its answer for this long is dropped."},
};
const size_t option_count = sizeof option_table / sizeof *option_table;

const struct option_action option_actions[] = {
    {"config", "FILE", ACTION_SERVE, "Read options from this file; those in the environment and on the command line win."},
    {"check-data", "DIR", ACTION_CHECK_DATA,
     "Say whether an embedded database can live in DIR, and why not; exit status 0 or 1. Makes nothing."},
    {"print-config", NULL, ACTION_PRINT_CONFIG, "Print a configuration file with every default."},
    {"version", NULL, ACTION_VERSION, "Print the version."},
    {"help", NULL, ACTION_HELP, "Print this."},
};
const size_t option_actions_count = sizeof option_actions / sizeof *option_actions;
/* clang-format on */

bool option_is_number(const struct option_entry *o)
{
    return o->type == OPTION_NUMBER || o->type == OPTION_MODE;
}

static int set_text(char **to, const char *text, struct error *e)
{
    char *copy = strdup(text);
    if (!copy)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    free(*to);
    *to = copy;
    return ERR_OK;
}

static int set_mode(int64_t *to, const struct option_entry *o, const char *text, struct error *e)
{
    char *end = NULL;
    size_t digits = strspn(text, "01234567");
    long n = digits > 0 && digits < 6 ? strtol(text, &end, 8) : -1;
    if (n < o->min || n > o->max || text[digits] != '\0')
        return error_set(e, ERR_INVALID, NULL, "\"%s\" is not a file mode in octal, such as 0660", text);
    *to = n;
    return ERR_OK;
}

static int set_number(int64_t *to, const struct option_entry *o, const char *text, struct error *e)
{
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '\0' || errno || n < o->min || n > o->max)
        return error_set(e, ERR_INVALID, NULL, "\"%s\" is not a whole number from %lld to %lld", text,
                         (long long)o->min, (long long)o->max);
    *to = n;
    return ERR_OK;
}

/* What an option of this type can be; NULL: it is not one of some words. */
static const char *const *words_of(enum option_type type)
{
    static const char *const words[][5] = {
        [OPTION_LEVEL] = {"error", "warn", "info", "debug"}, [OPTION_DURABILITY] = {"async", "sync"},
        [OPTION_CLIENT_EVENTS] = {"open", "token"},          [OPTION_LOG_FORMAT] = {"text", "json"},
        [OPTION_LOG_REQUESTS] = {"off", "errors", "all"},
    };
    return words[type][0] ? words[type] : NULL;
}

static int check_word(const char *const *words, const char *text, struct error *e)
{
    char list[64];
    size_t n = 0;
    list[0] = '\0';
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(words[i], text) == 0)
            return ERR_OK;
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    return error_set(e, ERR_INVALID, NULL, "\"%s\" is not one of %s", text, list);
}

/* A '/' at the end is left out. */
static int set_url(char **to, const char *text, struct error *e)
{
    size_t n = strlen(text), scheme = strncmp(text, "https://", 8) == 0  ? 8
                                      : strncmp(text, "http://", 7) == 0 ? 7
                                                                         : 0;
    bool good = n == 0 || (scheme > 0 && n > scheme && text[scheme] != '/' && n <= URL_MAX);
    for (const char *p = text; *p && good; p++)
        good = *p > ' ' && *p < 0x7f && !strchr("\"\\<>?#", *p);
    if (!good)
        return error_set(e, ERR_INVALID, NULL,
                         "\"%s\" is not the URL of a server; write for example https://example.com/cohort",
                         text);
    int code = set_text(to, text, e);
    if (code == ERR_OK && n > 0 && (*to)[n - 1] == '/')
        (*to)[n - 1] = '\0';
    return code;
}

int option_set(struct config *c, const struct option_entry *o, const char *text, struct error *e)
{
    void *field = (char *)c + o->offset;
    const char *const *words = words_of(o->type);
    if (o->type == OPTION_NUMBER)
        return set_number(field, o, text, e);
    if (o->type == OPTION_URL)
        return set_url(field, text, e);
    if (o->type == OPTION_MODE)
        return set_mode(field, o, text, e);
    int code = words ? check_word(words, text, e) : ERR_OK;
    return code == ERR_OK ? set_text(field, text, e) : code;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein distance; dashes and underscores are the same. Names longer than the table's are not near. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);
    if (n >= sizeof row / sizeof *row || strlen(a) >= sizeof row / sizeof *row)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t before = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            char x = a[i] == '-' ? '_' : a[i], y = b[j] == '-' ? '_' : b[j];
            size_t replace = before + (x != y);
            before = row[j + 1];
            row[j + 1] = least(replace, least(row[j], before) + 1);
        }
    }
    return row[n];
}

const char *option_nearest(const char *name)
{
    const char *best = NULL;
    size_t best_distance = strlen(name) / 2 + 1;
    for (size_t i = 0; i < option_count + option_actions_count; i++) {
        const char *candidate =
            i < option_count ? option_table[i].name : option_actions[i - option_count].name;
        size_t d = distance(name, candidate);
        if (d < best_distance) {
            best_distance = d;
            best = candidate;
        }
    }
    return best;
}
