#include "base/mailbox.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/error.h"

struct message {
    mailbox_fn *fn;
    void *arg;
    struct message *next;
};

struct mailbox {
    pthread_mutex_t lock;
    struct message *first, **last;
    struct event *wake;
    int fd;
};

static void run_all(struct mailbox *m)
{
    pthread_mutex_lock(&m->lock);
    struct message *list = m->first;
    m->first = NULL;
    m->last = &m->first;
    pthread_mutex_unlock(&m->lock);
    while (list) {
        struct message *next = list->next;
        list->fn(list->arg);
        free(list);
        list = next;
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    uint64_t n;
    ssize_t ignored = read(fd, &n, sizeof n); /* empties the counter; nothing to read is fine */
    (void)ignored;
    run_all(arg);
}

struct mailbox *mailbox_new(struct event_base *base)
{
    struct mailbox *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->last = &m->first;
    pthread_mutex_init(&m->lock, NULL);
    m->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (m->fd >= 0)
        m->wake = event_new(base, m->fd, EV_READ | EV_PERSIST, on_wake, m);
    if (!m->wake || event_add(m->wake, NULL) != 0) {
        mailbox_free(m);
        return NULL;
    }
    return m;
}

void mailbox_free(struct mailbox *m)
{
    if (!m)
        return;
    run_all(m);
    if (m->wake)
        event_free(m->wake);
    if (m->fd >= 0)
        close(m->fd);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

int mailbox_send(struct mailbox *m, mailbox_fn *fn, void *arg)
{
    struct message *msg = malloc(sizeof *msg);
    if (!msg)
        return ERR_NOMEM;
    *msg = (struct message){fn, arg, NULL};
    pthread_mutex_lock(&m->lock);
    bool was_empty = m->first == NULL;
    *m->last = msg;
    m->last = &msg->next;
    pthread_mutex_unlock(&m->lock);
    if (was_empty) {
        uint64_t one = 1;
        ssize_t ignored = write(m->fd, &one, sizeof one); /* a full counter wakes all the same */
        (void)ignored;
    }
    return ERR_OK;
}
