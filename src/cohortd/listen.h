/* The listening sockets: of each address, one for every worker. */
#ifndef COHORT_COHORTD_LISTEN_H
#define COHORT_COHORTD_LISTEN_H

#include <stddef.h>

#include "core/error.h"

#define LISTEN_MAX 16 /* addresses */

struct activation;
struct listening;

/* addresses: "127.0.0.1:8440", "[::1]:8440", "unix:/run/cohortd/http.sock", several with blanks between them.
 */

/* Says early that an address is no good or in use. Nothing stays open or is made. A port of 0 is always free.
 */
int listen_probe(const char *addresses, struct error *e);

/* All of them for n workers, or none. mode: permissions of unix sockets. When a service manager passed
 * sockets they are taken, and the addresses are not looked at. */
int listen_open(struct listening **out, const char *addresses, unsigned mode, const struct activation *passed,
                size_t n, struct error *e);
/* Closes what was not taken, and removes the unix sockets that we made and are still ours. */
void listen_close(struct listening *l);

/* A worker's socket of one address. */
struct worker_socket {
    int fd;
    unsigned flags; /* for http_server_listen */
};
/* How many addresses there are. */
size_t listen_count(const struct listening *l);
/* That of worker number i and address number k, the caller's from now on. */
struct worker_socket listen_take(struct listening *l, size_t i, size_t k);

/* Where a client on this machine finds us: "127.0.0.1:8440", of the first TCP address, or NULL. */
const char *listen_host(const struct listening *l);
/* The path of the first unix socket, or NULL. */
const char *listen_path(const struct listening *l);
/* All addresses, for people. */
const char *listen_text(const struct listening *l);

#endif
