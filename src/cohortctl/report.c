#include "cohortctl/report.h"
int report_results(const json_t *doc, FILE *out, struct error *e)
{
    json_dumpf(doc, out, JSON_INDENT(2));
    (void)e;
    return 0;
}
