/* The options of cohortd: one table of names, types, defaults, ranges and meanings, read from four sources:
 * the default, the configuration file, the environment, the command line; the later wins. */
#ifndef COHORT_COHORTD_CONFIG_H
#define COHORT_COHORTD_CONFIG_H

#include <stdint.h>
#include <stdio.h>

#include "core/error.h"

/* Texts are owned by the configuration and never NULL ("" when not given). Units are in the names. */
struct config {
    char *data;
    char *database;
    int64_t database_wait; /* seconds */
    char *pg_bindir;
    char *os_user;
    char *listen;
    int64_t socket_mode;
    char *tls_cert;  /* "": no TLS */
    char *tls_key;   /* "": in tls_cert */
    int64_t workers; /* 0: one a core */
    char *cors_origins;
    char *public_url;
    int64_t max_streams;
    char *node_name;
    char *log_level;
    char *log_format;   /* "text" or "json" */
    char *log_requests; /* "off", "errors" or "all" */
    int64_t drain_seconds;
    int64_t drain_notice_seconds;
    int64_t event_max_age;     /* seconds */
    int64_t event_max_future;  /* seconds */
    char *client_events;       /* "open" or "token" */
    char *decision_durability; /* "async" or "sync" */
    int64_t retention_days;    /* 0: for ever */
    int64_t spool_max_bytes;
    int64_t spool_grace_seconds;
    int64_t ship_interval_ms;
    int64_t max_connections;
    int64_t max_connections_per_address;
    int64_t rate_per_key;  /* requests a second; 0: no limit, here and in the next two rates */
    int64_t burst_per_key; /* requests; 0: as many as the rate, in all three */
    int64_t rate_per_address;
    int64_t burst_per_address;
    int64_t rate_failed_auth;
    int64_t burst_failed_auth;
    char *trusted_proxies;
    int64_t max_wait_ms;
    int64_t max_body_bytes;
    int64_t header_seconds;
    int64_t body_seconds;
    int64_t idle_seconds;
    int64_t write_seconds;
};

/* What the command line asks for. */
enum config_action {
    ACTION_SERVE,
    ACTION_HELP,         /* --help */
    ACTION_VERSION,      /* --version */
    ACTION_PRINT_CONFIG, /* --print-config */
    ACTION_CHECK_DATA,   /* --check-data DIR: the directory is in config.data */
};

/* Zeroed before, freed by config_free whatever the answer. ERR_INVALID: place is the option as the user wrote
 * it, the variable, or the file with its line; text is the whole sentence. argv[0] is skipped. */
int config_read(struct config *c, int argc, const char *const *argv, enum config_action *action,
                struct error *e);
void config_free(struct config *c);

/* A log line for each variable of the environment whose name begins like an option's and is none. They are no
 * errors: Kubernetes makes some up (COHORTD_PORT) for a service that is called cohortd. */
void config_warn_environment(void);

/* What a reload found in a configuration read anew. Names of options with ", " between them. */
struct config_change {
    char taken[512];   /* changed, and take effect now */
    char restart[512]; /* changed, and wait for a restart */
};
/* Moves the values that take effect without a restart from `next` into c; next gets the old ones. */
void config_take_live(struct config *c, struct config *next, struct config_change *change);

/* All options in their groups, with default, range and meaning. */
void config_help(FILE *out);
/* A configuration file in which every option stands as a comment with its default. */
void config_sample(FILE *out);

#endif
