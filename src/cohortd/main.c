#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "cohortd/activation.h"
#include "cohortd/config.h"
#include "cohortd/embedded.h"
#include "cohortd/notify.h"
#include "cohortd/reload.h"
#include "cohortd/server.h"
#include "cohortd/stop_signal.h"
#include <config.h>

#define EXIT_TROUBLE 1
#define EXIT_USAGE 2

static int refuse(const struct error *e, int status)
{
    fprintf(stderr, "cohortd: %s\n", e->text);
    return status;
}

/* What cohortd was called with. */
struct call {
    int argc;
    const char *const *argv;
    struct config config;
};

static int run(struct call *call, const struct server_host *host)
{
    struct error e;
    struct config *c = &call->config;
    struct server *server = NULL;
    if (stop_signal_init(&e) != ERR_OK || server_start(&server, c, host, &e) != ERR_OK)
        return stop_signal_came() ? 0 : refuse(&e, EXIT_TROUBLE);
    notify_ready(host->notify, server_status(server));
    while (!stop_signal_came()) {
        server_tick(server);
        if (reload_signal_take())
            reload(server, c, host->notify, call->argc, call->argv);
        stop_signal_wait(server_tick_ms(server));
    }
    notify_stopping(host->notify, "stopping: open requests are answered, events shipped");
    server_give_notice(server);
    log_info("server", "stopping");
    server_stop(server);
    log_info("server", "stopped");
    return 0;
}

static int serve(struct call *call)
{
    struct error e;
    struct activation passed;
    struct server_host host = {notify_new(), &passed};
    int status;
    reload_log(&call->config);
    config_warn_environment();
    umask(077); /* events and keys are nobody else's */
    if (!host.notify)
        status = (error_set(&e, ERR_NOMEM, NULL, "out of memory"), refuse(&e, EXIT_TROUBLE));
    else if (activation_read(&passed, &e) != ERR_OK)
        status = refuse(&e, EXIT_TROUBLE);
    else
        status = run(call, &host);
    notify_free(host.notify);
    return status;
}

static int check_data(const struct config *c)
{
    struct error e;
    if (embedded_check(c->data, c->os_user, &e) != ERR_OK)
        return refuse(&e, EXIT_TROUBLE);
    printf("an embedded database can live in %s\n", c->data);
    return 0;
}

static int act(enum config_action action, struct call *call)
{
    switch (action) {
    case ACTION_HELP:
        config_help(stdout);
        break;
    case ACTION_VERSION:
        puts(PACKAGE_STRING);
        break;
    case ACTION_PRINT_CONFIG:
        config_sample(stdout);
        break;
    case ACTION_CHECK_DATA:
        return check_data(&call->config);
    case ACTION_SERVE:
        return serve(call);
    }
    return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
}

int main(int argc, char **argv)
{
    struct call call = {argc, (const char *const *)argv, {0}};
    struct error e;
    enum config_action action;
    if (sodium_init() < 0) {
        fputs("cohortd: the system gives no random numbers\n", stderr);
        return EXIT_TROUBLE;
    }
    json_object_seed(randombytes_random()); /* before threads; a guessable seed would let keys collide */
    int status = config_read(&call.config, argc, call.argv, &action, &e);
    status =
        status == ERR_OK ? act(action, &call) : refuse(&e, status == ERR_INVALID ? EXIT_USAGE : EXIT_TROUBLE);
    config_free(&call.config);
    return status;
}
