#include "cohortd/reload.h"

#include <stdio.h>

#include "base/log.h"
#include "cohortd/notify.h"

void reload_log(const struct config *c)
{
    enum log_level level = LOG_INFO;
    enum log_format format = LOG_TEXT;
    log_level_parse(c->log_level, &level);
    log_set_level(level);
    log_format_parse(c->log_format, &format);
    log_set_format(format);
}

static void say(const struct config_change *change)
{
    if (change->taken[0])
        log_info("reload", "changed: %s", change->taken);
    if (change->restart[0])
        log_warn("reload", "these have changed too, and only a restart can take them: %s", change->restart);
    if (!change->taken[0] && !change->restart[0])
        log_info("reload", "no option has changed");
}

void reload(struct server *s, struct config *c, struct notify *notify, int argc, const char *const *argv)
{
    struct config next = {0};
    struct config_change change;
    enum config_action action;
    struct error e;
    notify_reloading(notify);
    int code = config_read(&next, argc, argv, &action, &e);
    if (code == ERR_OK)
        code = server_prepare(s, &next, &e);
    if (code == ERR_OK) {
        config_take_live(c, &next, &change);
        reload_log(c);
        server_apply(s);
        say(&change);
        notify_ready(notify, server_status(s));
    } else {
        char status[sizeof e.text + 100];
        log_error("reload", "nothing was changed: %s", e.text);
        snprintf(status, sizeof status,
                 "serving with the options of before, since the new ones are wrong: %s", e.text);
        notify_ready(notify, status);
    }
    config_free(&next);
}
