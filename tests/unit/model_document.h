/* A plan document with everything a plan can have. */
#ifndef COHORT_TESTS_UNIT_MODEL_DOCUMENT_H
#define COHORT_TESTS_UNIT_MODEL_DOCUMENT_H

#define MODEL_KEY "f90f48f03c28dc866d91b62c99a0ea47a4423959838711ca3133f19b0abb0915"
#define MODEL_SALT(c) "\"salt\":\"76bce11275840801ed52ecf5886741" c c "\""

#define MODEL_HALVES(a, b)                                                                                   \
    "\"variants\":[{\"variant\":\"" a "\",\"share_ppm\":500000,\"slots\":[[0,500000]]},{\"variant\":\"" b    \
    "\",\"share_ppm\":500000,\"slots\":[[500000,1000000]]}]"

#define MODEL_HOLDOUT                                                                                        \
    "{\"id\":9,\"key\":\"global\",\"kind\":\"holdout\",\"status\":\"running\",\"guard_stopped\":false,"      \
    "\"exposure\":\"on_evaluation\"," MODEL_SALT(                                                            \
        "9") ",\"holdout\":{\"scope\":\"global\",\"scope_key\":null,\"starts_at_us\":100,\"ends_at_us\":"    \
             "null},"                                                                                        \
             "\"variants\":[{\"id\":91,\"key\":\"out\",\"gives\":\"rules\",\"control\":true},{\"id\":92,"    \
             "\"key\":\"in\",\"gives\":\"everything\"}],\"phases\":[{\"id\":90,\"number\":1," MODEL_SALT(    \
                 "8") ",\"traffic_slots\":[[0,1000000]]," MODEL_HALVES("out", "in") "}]}"

#define MODEL_BASE                                                                                           \
    "{\"id\":1,\"key\":\"base\",\"kind\":\"ab\",\"status\":\"running\",\"guard_stopped\":false,"             \
    "\"exposure\":\"on_evaluation\"," MODEL_SALT(                                                            \
        "1") ",\"condition\":{},\"variants\":[{\"id\":11,\"key\":\"control\",\"value\":1},{\"id\":12,"       \
             "\"key\":\"treatment\",\"value\":2}],\"phases\":[{\"id\":10,\"number\":1," MODEL_SALT(          \
                 "2") ",\"traffic_slots\":[[0,1000000]]," MODEL_HALVES("control", "treatment") "}]}"

#define MODEL_FULL                                                                                                                                    \
    "{\"id\":2,\"key\":\"full\",\"kind\":\"ab\",\"status\":\"running\",\"paused\":false,\"guard_stopped\":"                                           \
    "false,\"exposure\":\"on_evaluation\"," MODEL_SALT(                                                                                               \
        "3") ",\"condition\":{\"country\":{\"$inGroup\":\"countries\"}},\"layer\":\"checkout\","                                                      \
             "\"layer_slots\":[[100000,400000],[500000,1000000]],\"starts_at_us\":50,\"ends_at_us\":2000,"                                            \
             "\"sticky\":true,\"holdouts\":[9],\"prerequisites\":[{\"experiment\":\"base\",\"variants\":"                                             \
             "[\"treatment\"]}],\"overrides\":[{\"unit\":\"00000000-0000-0000-0000-000000000001\","                                                   \
             "\"variant\":\"control\"},{\"segment\":\"staff\",\"variant\":\"treatment\",\"expires_at_us\":"                                           \
             "1500}],\"variants\":[{\"id\":21,\"key\":\"control\",\"value\":1,\"control\":true},{\"id\":22,"                                          \
             "\"key\":\"treatment\",\"value\":2},{\"id\":23,\"key\":\"third\",\"dropped\":true}],"                                                    \
             "\"phases\":[{\"id\":20,\"number\":1," MODEL_SALT("4") ",\"traffic_slots\":[[0,600000]],"                                                \
                                                                    "\"closed\":[[500000,600000]]"                                                    \
                                                                    "," MODEL_HALVES("control", "treatment") "},{\"id\":25,\"number\":2," MODEL_SALT( \
                                                                        "5") ",\"traffic_slots\":"                                                    \
                                                                             "[[600000,900000]]"                                                      \
                                                                             "," MODEL_HALVES("control",                                              \
                                                                                              "third") "}]}"

#define MODEL_SHIPPED                                                                                        \
    "{\"id\":3,\"key\":\"done\",\"status\":\"shipped\",\"guard_stopped\":false,\"exposure\":"                \
    "\"on_evaluation\"," MODEL_SALT("6") ",\"holdouts\":[9],\"shipped\":{\"variant\":\"treatment\","         \
                                         "\"holdback_ppm\":200000," MODEL_SALT(                              \
                                             "7") "},\"variants\":[{\"id\":31,\"key\":\"control\","          \
                                                  "\"value\":1},{\"id\":32,\"key\":\"treatment\","           \
                                                  "\"value\":2}],\"phases\":[]}"

#define MODEL_FLAG(id, key)                                                                                  \
    "{\"id\":" id ",\"key\":\"" key "\",\"type\":\"number\",\"default\":0,\"archived\":false,\"rules\":["    \
    "{\"kind\":\"experiment\",\"experiment\":\"" key "\",\"condition\":{}}"

#define MODEL_BODY                                                                                           \
    "\"environment\":\"production\",\"unit_key\":\"" MODEL_KEY "\",\"hash_key\":\"" MODEL_KEY                \
    "\",\"api_keys\":[{\"id\":1,\"role\":\"product\",\"team\":\"shop\",\"hash\":\"" MODEL_KEY                \
    "\"}],\"events\":[\"refund\"],\"layers\":[{\"key\":\"checkout\"," MODEL_SALT(                            \
        "a") "}],\"segments\":[{\"key\":\"countries\",\"list\":[\"DE\",\"FR\",7]},{\"key\":\"staff\","       \
             "\"condition\":{\"staff\":true}}],\"experiments\":[" MODEL_HOLDOUT "," MODEL_FULL               \
             "," MODEL_BASE "," MODEL_SHIPPED "],\"flags\":[" MODEL_FLAG("1", "base") "]}," MODEL_FLAG(      \
                 "2", "full") ",{\"kind\":\"force\",\"condition\":{\"vip\":true},\"value\":7}]}"             \
                              "," MODEL_FLAG("3", "done") "]}]"

#define MODEL_DOCUMENT "{\"format\":2,\"version\":12,\"stop_version\":3,\"environments\":[{" MODEL_BODY "}]}"

#endif
