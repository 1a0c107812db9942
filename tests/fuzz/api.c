/* A sequence of requests to the API, of any role, on several connections, while what it stands on changes:
 * each request has exactly one answer, none is a 5xx but 503, and the records are whole. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/record.h"
#include "fuzz.h"
#include "unit/api_bed.h"
#include "web/auth.h"
#include "web/router.h"

#define CONNECTIONS 3
#define ON_ONE 24 /* requests on one connection */

struct peer {
    int fd; /* -1: none */
    unsigned n_sent;
    bool heads[ON_ONE]; /* those whose answer has no body */
    struct buffer in;
};

struct world {
    struct api_bed bed;
    struct peer peers[CONNECTIONS];
};

static const char *const names[] = {"base",    "full",   "done",     "spin",     "hello", "global",
                                    "nothing", "%62ase", "a%2fb",    "%",        "a/b",   "",
                                    "1",       "%00",    "\303\251", "countries"};
#define REFUND                                                                                               \
    "{\"events\":[{\"id\":\"0190b5e4-0000-7000-8000-000000000001\",\"name\":\"refund\",\"units\":{\"user\":" \
    "\"c-"                                                                                                   \
    "1\"},\"ts\":\"2026-11-28T10:00:00Z\",\"value\":3,\"attributes\":{\"plan\":\"pro\"}}]}"
#define EXPOSURE                                                                                             \
    "[{\"id\":\"0190b5e4-0000-7000-8000-000000000002\",\"experiment\":\"base\",\"units\":{\"user\":\"c-1\"}" \
    ","                                                                                                      \
    "\"variant\":\"control\",\"phase\":1,\"ts\":\"2026-11-28T10:00:00Z\"},{\"id\":7}]"
#define VIP                                                                                                  \
    "{\"context\":{\"targetingKey\":\"c-2\",\"country\":\"DE\",\"amount\":5,\"vip\":true,\"staff\":true}}"
static const char *const bodies[] = {
    "",
    "{}",
    "[]",
    "{\"context\":{\"targetingKey\":\"c-1\"}}",
    VIP,
    REFUND,
    EXPOSURE,
    "{\"key\":\"ck_client_bed\",\"events\":[{}]}",
    "{\"flag\":\"full\",\"context\":{\"targetingKey\":\"c-1\"}}",
    "{\"experiment\":{\"key\":\"x\"},\"contexts\":[{\"targetingKey\":\"a\"}]}",
    "{\"variants\":[{\"key\":\"a\"}]}",
    "{\"reason\":\"because\"}"};
static const struct bed_answer answers[] = {{200, "{}", "e1"},
                                            {200, "{\"items\":[]}", NULL},
                                            {201, "{\"key\":\"x\"}", "e2"},
                                            {204, NULL, NULL},
                                            {404, NULL, NULL},
                                            {409, NULL, NULL},
                                            {412, NULL, "e3"},
                                            {422, NULL, NULL},
                                            {503, NULL, NULL},
                                            {429, NULL, NULL},
                                            {428, NULL, NULL},
                                            {204, NULL, "e4"}};
#define PICK(list, byte) list[(byte) % (sizeof(list) / sizeof *(list))]

static void open_peer(struct world *w, struct peer *p)
{
    p->fd = api_bed_connect(&w->bed);
    FUZZ_CHECK(p->fd >= 0);
    p->n_sent = 0;
    buffer_clear(&p->in);
}

/* All its answers are there, one for each request, and nothing else. */
static void check_answers(const struct peer *p)
{
    size_t at = 0, len;
    const char *body;
    for (unsigned i = 0; i < p->n_sent; i++) {
        int status = api_bed_answer(&p->in, &at, p->heads[i], &body, &len);
        FUZZ_CHECK(status >= 200 && (status < 500 || status == 503));
        FUZZ_CHECK(len == 0 || body[0] == '{' || body[0] == '[' || body[0] == '#');
    }
    FUZZ_CHECK(at == p->in.len);
}

static void close_peer(struct world *w, struct peer *p, bool politely)
{
    bool open = politely;
    if (p->fd < 0)
        return;
    if (politely)
        shutdown(p->fd, SHUT_WR);
    for (int i = 0; open && i < 4 * ON_ONE; i++) { /* one request has a turn */
        api_bed_turn(&w->bed);
        api_bed_complete(&w->bed);
        open = api_bed_read(p->fd, &p->in);
    }
    FUZZ_CHECK(!open);
    if (politely)
        check_answers(p);
    close(p->fd);
    p->fd = -1;
}

static void put_path(struct buffer *out, const char *pattern, struct fuzz_input *in)
{
    const char *brace = strchr(pattern, '{');
    buffer_add(out, pattern, brace ? (size_t)(brace - pattern) : strlen(pattern));
    if (brace) {
        const char *name = PICK(names, fuzz_byte(in));
        for (; *name; name++) /* no byte that the request layer refuses */
            if ((unsigned char)*name < 0x80)
                buffer_add(out, name, 1);
        buffer_add_str(out, strchr(brace, '}') + 1);
    }
}

static void put_query(struct buffer *out, unsigned byte)
{
    static const char *const queries[] = {"",
                                          "",
                                          "",
                                          "?limit=2",
                                          "?limit=0&after=x",
                                          "?enroll=false",
                                          "?enroll=x",
                                          "?after=%zz&limit=1001",
                                          "?a=b&&c"};
    buffer_add_str(out, PICK(queries, byte));
}

static void put_body(struct buffer *out, struct fuzz_input *in)
{
    char line[48];
    unsigned kind = fuzz_byte(in);
    const char *text = PICK(bodies, kind);
    size_t len = strlen(text);
    const uint8_t *bytes = (const uint8_t *)text;
    if (kind >= 0xC0) {
        len = fuzz_byte(in);
        bytes = fuzz_take(in, &len);
    }
    snprintf(line, sizeof line, "Content-Length: %zu\r\n\r\n", len);
    buffer_add_str(out, line);
    buffer_add(out, bytes, len);
}

static void put_request(struct buffer *out, struct fuzz_input *in, bool *head)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"};
    static const char *const more[] = {"",
                                       "If-Match: \"e1\"\r\n",
                                       "If-None-Match: *\r\n",
                                       "If-None-Match: \"e1\", W/\"x\"\r\n",
                                       "Origin: https://shop.example\r\n",
                                       "Origin: null\r\nAccess-Control-Request-Method: POST\r\n",
                                       "Content-Type: application/merge-patch+json\r\n",
                                       "Content-Type: text/plain\r\n"};
    size_t n;
    const struct route *routes = router_routes(&n), *route = &routes[fuzz_byte(in) % n];
    unsigned method = fuzz_byte(in), key = fuzz_byte(in) % (BED_KEYS + 2);
    method = method < 0xC0 ? route->method : method % 8;
    *head = method == HTTP_HEAD;
    buffer_add_str(out, methods[method]);
    buffer_add_str(out, " ");
    put_path(out, route->pattern, in);
    put_query(out, fuzz_byte(in));
    buffer_add_str(out, " HTTP/1.1\r\nHost: h\r\n");
    buffer_add_str(out, PICK(more, fuzz_byte(in)));
    if (key <= BED_KEYS) {
        buffer_add_str(out, "Authorization: Bearer ");
        buffer_add_str(out, key < BED_KEYS ? api_bed_key(key) : "ck_admin_guess");
        buffer_add_str(out, "\r\n");
    }
    put_body(out, in);
}

static void ask(struct world *w, struct fuzz_input *in)
{
    struct peer *p = &w->peers[fuzz_byte(in) % CONNECTIONS];
    struct buffer request = {0};
    if (p->fd >= 0 && p->n_sent == ON_ONE)
        close_peer(w, p, true);
    if (p->fd < 0)
        open_peer(w, p);
    put_request(&request, in, &p->heads[p->n_sent++]);
    FUZZ_CHECK(send(p->fd, request.data, request.len, MSG_NOSIGNAL) == (ssize_t)request.len);
    buffer_free(&request);
    api_bed_turn(&w->bed);
    api_bed_read(p->fd, &p->in);
}

static void change(struct world *w, struct fuzz_input *in)
{
    static const int push_answers[] = {0, 0, ERR_LIMIT, ERR_STATE, ERR_NOMEM};
    unsigned what = fuzz_byte(in), which = fuzz_byte(in);
    struct api_bed *b = &w->bed;
    switch (what % 8) {
    case 0:
        b->level = which % 4;
        break;
    case 1:
        b->push_answer = PICK(push_answers, which);
        break;
    case 2:
        b->push_code = which % 2 ? ERR_IO : ERR_OK;
        break;
    case 3:
        b->call_answer = which % 2 ? ERR_LIMIT : ERR_OK;
        break;
    case 4:
        b->answer = PICK(answers, which);
        break;
    case 5:
        api_worker_set_plans(b->worker, plan_set_ref(fuzz_plans()));
        break;
    case 6:
        api_worker_flush(b->worker);
        break;
    default:
        api_bed_complete(b);
    }
}

static void check_records(const struct api_bed *b)
{
    struct record_reader reader;
    struct record r;
    unsigned n = 0;
    int rc;
    record_reader_init(&reader, b->pushed.data, b->pushed.len);
    for (; (rc = record_next(&reader, &r)) != 0; n++)
        FUZZ_CHECK(rc == 1);
    FUZZ_CHECK(n == b->n_records);
}

void fuzz_api(const uint8_t *data, size_t len)
{
    struct fuzz_input in = {data, len};
    struct world w;
    unsigned how = fuzz_byte(&in), n = 0;
    memset(&w, 0, sizeof w);
    FUZZ_CHECK(api_bed_open(&w.bed, how & 1, how & 2) == 0);
    for (int i = 0; i < CONNECTIONS; i++)
        w.peers[i].fd = -1;
    if (!(how & 4))
        api_worker_set_plans(w.bed.worker, plan_set_ref(fuzz_plans()));
    for (; in.left > 0 && n < 40; n++) {
        unsigned op = fuzz_byte(&in);
        if (op % 8 < 5)
            ask(&w, &in);
        else if (op % 8 < 7)
            change(&w, &in);
        else
            close_peer(&w, &w.peers[fuzz_byte(&in) % CONNECTIONS], op & 0x80);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        close_peer(&w, &w.peers[i], true);
        buffer_free(&w.peers[i].in);
    }
    api_worker_flush(w.bed.worker);
    check_records(&w.bed);
    api_bed_close(&w.bed);
}
