#include "web/api_openapi.h"

#include "web/api_worker.h"
#include "web/openapi_data.h"

void openapi_get(struct api_context *c)
{
    http_reply(c->r, 200, "application/json", openapi_json, openapi_json_len);
}
