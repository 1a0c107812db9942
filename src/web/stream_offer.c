#include "web/stream_offer.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "web/streams.h"

#define PATH "/ofrep/v1/stream"
#define INACTIVITY_S 120 /* a page that is hidden for longer gives its stream back */

/* A number of the client, by what it asks: tokens of many clients should not expire in one moment. */
static uint32_t client_number(const struct http_request *r)
{
    static const unsigned char key[crypto_shorthash_KEYBYTES] = {0};
    unsigned char hash[crypto_shorthash_BYTES];
    uint32_t n;
    size_t len;
    const char *body = http_body(r, &len);
    crypto_shorthash(hash, (const unsigned char *)body, len, key);
    memcpy(&n, hash, sizeof n);
    return n;
}

void stream_offer_make(const struct api_context *c, int64_t now_us, struct stream_offer *out)
{
    *out = (struct stream_offer){.public_url = c->w->options.public_url};
    if (c->w->options.max_streams == 0)
        return;
    out->mark = streams_mark(c->w->streams, c->plan);
    if (out->mark)
        out->expires_us = stream_token_expiry(now_us, client_number(c->r));
}

void stream_offer_sign(const struct api_context *c, struct stream_offer *o)
{
    struct stream_token t = {c->key->id, o->expires_us};
    if (o->expires_us && !stream_token_make(c->plan, &t, o->token))
        o->expires_us = 0;
}

void stream_offer_write(struct json_out *o, const struct stream_offer *s)
{
    char target[sizeof PATH + STREAM_TOKEN_TEXT + STREAM_MARK_TEXT + 16], url[512];
    if (!s->expires_us)
        return;
    stpcpy(stpcpy(stpcpy(stpcpy(target, PATH "?token="), s->token), "&since="), s->mark);
    JSON_OUT_KEY(o, "eventStreams");
    json_out_begin_array(o);
    json_out_begin_object(o);
    JSON_OUT_KEY(o, "type");
    json_out_string(o, "sse");
    if (*s->public_url) {
        snprintf(url, sizeof url, "%s%s", s->public_url, target);
        JSON_OUT_KEY(o, "url");
        json_out_string(o, url);
    } else {
        JSON_OUT_KEY(o, "endpoint");
        json_out_begin_object(o);
        JSON_OUT_KEY(o, "requestUri");
        json_out_string(o, target);
        json_out_end_object(o);
    }
    JSON_OUT_KEY(o, "inactivityDelaySec");
    json_out_int(o, INACTIVITY_S);
    json_out_end_object(o);
    json_out_end_array(o);
}
