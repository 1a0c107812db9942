#include "cohortd/vitals.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

void vitals_start(struct counters *c)
{
    counter_set(c, started_s, (int64_t)time(NULL));
    vitals_update(c);
}

/* The second field of statm: pages in memory. */
static int64_t resident_bytes(void)
{
    int64_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%*s %" SCNd64, &pages) != 1)
        pages = 0;
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

void vitals_update(struct counters *c)
{
    struct rusage used;
    if (getrusage(RUSAGE_SELF, &used) == 0)
        counter_set(c, cpu_s, (int64_t)used.ru_utime.tv_sec + used.ru_stime.tv_sec);
    counter_set(c, resident_bytes, resident_bytes());
}
