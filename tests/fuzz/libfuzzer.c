/* libFuzzer's way in. The target is named by the environment: FUZZ_TARGET=http fuzz DIRECTORY */
#include "fuzz.h"

static const struct fuzz_target *target;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const char *name = getenv("FUZZ_TARGET");
    target = name ? fuzz_find(name) : NULL;
    if (!target) {
        fprintf(stderr, "FUZZ_TARGET must name a target:");
        for (size_t i = 0; fuzz_at(i); i++)
            fprintf(stderr, " %s", fuzz_at(i)->name);
        fprintf(stderr, "\n");
        exit(2);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len <= target->max_len)
        target->run(data, len);
    return 0;
}
