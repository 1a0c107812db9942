#include "cohortd/descriptors.h"

#include <sys/resource.h>

#include "base/log.h"

#define OF_SERVER 128    /* logs, the spool, connections to the database, and those of each thread's start */
#define OF_WORKER 8      /* its event loop, mailbox, listening socket and reserve */
#define FEWEST_CLIENTS 8 /* of a worker */

static rlim_t kept(size_t workers)
{
    return OF_SERVER + OF_WORKER * workers;
}

/* The usual soft limit of 1,024 is for programs that use select. */
int descriptors_raise(size_t workers, struct error *e)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return ERR_OK;
    rlim_t needed = kept(workers) + FEWEST_CLIENTS * workers;
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == RLIM_INFINITY || r.rlim_cur >= needed)
        return ERR_OK;
    return error_set(e, ERR_LIMIT, "workers",
                     "the system allows this process %llu open files, and %zu workers need %llu: raise the "
                     "limit (ulimit -n), or start fewer with --workers",
                     (unsigned long long)r.rlim_cur, workers, (unsigned long long)needed);
}

unsigned descriptors_for_clients(size_t workers, int64_t wanted)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == RLIM_INFINITY ||
        r.rlim_cur >= kept(workers) + (rlim_t)wanted)
        return (unsigned)wanted;
    unsigned left = (unsigned)(r.rlim_cur - kept(workers));
    log_warn("server",
             "the system allows %llu open files (ulimit -n): %u connections are taken, not max_connections = "
             "%lld",
             (unsigned long long)r.rlim_cur, left, (long long)wanted);
    return left;
}
