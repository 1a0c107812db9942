/* Off-policy values on a published log: the Open Bandit Dataset (Saito, Aihara, Matsutani and Narita 2021; CC
 * BY 4.0), campaign "men", 10,000 decisions of a uniform policy and as many of a Thompson policy, with the
 * probabilities they were made with. Each policy is valued from the other's log; the numbers were worked out
 * independently.
 *
 * The files are not shipped: OPEN_BANDIT=DIRECTORY, or ../shared/data/obd-men beside the project. Without
 * them it is skipped. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "stats/off_policy.h"

#define SKIPPED 77
#define ITEMS 34
#define POSITIONS 3
#define ROWS 20000

struct row {
    int item, position, click;
    double p;
};

struct log {
    struct row row[ROWS];
    size_t n;
};

/* Columns: number, time, item, position, click, propensity, and features that are not read. */
static bool read_log(const char *directory, const char *name, struct log *l)
{
    char path[4096], line[8192];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    gzFile file = gzopen(path, "rb");
    if (!file)
        return false;
    bool ok = gzgets(file, line, sizeof line) != NULL;
    while (ok && gzgets(file, line, sizeof line)) {
        struct row r;
        ok = l->n < ROWS &&
             sscanf(line, "%*d,%*[^,],%d,%d,%d,%lf", &r.item, &r.position, &r.click, &r.p) == 4 &&
             r.item >= 0 && r.item < ITEMS && r.position >= 1 && r.position <= POSITIONS;
        if (ok)
            l->row[l->n++] = r;
    }
    gzclose(file);
    return ok;
}

/* The part each item has at its position: how a Thompson policy whose shares moved is written down. */
static void item_shares(const struct log *l, double share[POSITIONS][ITEMS])
{
    double total[POSITIONS] = {0};
    for (size_t i = 0; i < l->n; i++) {
        share[l->row[i].position - 1][l->row[i].item]++;
        total[l->row[i].position - 1]++;
    }
    for (int p = 0; p < POSITIONS; p++)
        for (int i = 0; i < ITEMS; i++)
            share[p][i] /= total[p];
}

static struct off_policy_answer value(const struct log *l, double policy[POSITIONS][ITEMS])
{
    struct off_policy_sums s = {0};
    for (size_t i = 0; i < l->n; i++) {
        const struct row *r = &l->row[i];
        struct off_policy_unit u = {0};
        off_policy_decide(&u, &(struct off_policy_decision){.logged = r->p,
                                                            .policy = policy[r->position - 1][r->item],
                                                            .reward = r->click});
        off_policy_add(&s, &u);
    }
    struct asympcs_rule rule = {0.05, (double)l->n, ASYMPCS_BOTH};
    return off_policy_value(&s, &rule);
}

/* Equal to as many digits as are known. */
static int differs(const char *what, double got, double want, double digit)
{
    bool ok = fabs(got - want) <= digit / 2;
    printf("%s %s: %.10g, known %.10g\n", ok ? "ok  " : "FAIL", what, got, want);
    return !ok;
}

static int run(const char *directory)
{
    static struct log uniform, thompson;
    double even[POSITIONS][ITEMS], shares[POSITIONS][ITEMS] = {{0}};
    int wrong = 0;
    if (!read_log(directory, "random.csv.gz", &uniform) || !read_log(directory, "bts.csv.gz", &thompson)) {
        fprintf(stderr, "the files in %s can't be read\n", directory);
        return 1;
    }
    for (int p = 0; p < POSITIONS; p++)
        for (int i = 0; i < ITEMS; i++)
            even[p][i] = 1.0 / ITEMS;
    item_shares(&thompson, shares);
    struct off_policy_answer e = value(&thompson, even), t = value(&uniform, shares);
    wrong += differs("uniform policy's clicks", t.logged, 0.0046, 1e-4);
    wrong += differs("Thompson policy's clicks", e.logged, 0.0069, 1e-4);
    wrong += differs("uniform policy from Thompson's log, IPS", e.ips.estimate, 0.003009, 1e-6);
    wrong += differs("uniform policy from Thompson's log, SNIPS", e.snips.estimate, 0.003189, 1e-6);
    wrong += differs("its effective sample size", e.ess, 656, 1);
    wrong += differs("Thompson policy from the uniform log, IPS", t.ips.estimate, 0.005656, 1e-6);
    wrong += differs("Thompson policy from the uniform log, SNIPS", t.snips.estimate, 0.005740, 1e-6);
    wrong += differs("the uniform log's mean weight within a tenth of 1", t.mean_weight, 1, 0.2);
    /* the truth about each is in its own log */
    wrong += !(t.ips.answered && t.ips.low < e.logged && e.logged < t.ips.high);
    wrong += !(e.ips.answered && e.ips.low < t.logged && t.logged < e.ips.high);
    printf("%d wrong\n", wrong);
    return wrong > 0;
}

int main(void)
{
    char beside[4096];
    const char *srcdir = getenv("srcdir"), *given = getenv("OPEN_BANDIT");
    snprintf(beside, sizeof beside, "%s/../shared/data/obd-men", srcdir ? srcdir : ".");
    if (access(given ? given : beside, R_OK) != 0) {
        printf(
            "skipped: no directory %s (set OPEN_BANDIT to that of the Open Bandit Dataset's campaign men)\n",
            given ? given : beside);
        return SKIPPED;
    }
    return run(given ? given : beside);
}
