/* Fills spools with records that follow from a seed, so that the same ones can be made twice. */
#ifndef COHORT_TESTS_SHIP_FILL_H
#define COHORT_TESTS_SHIP_FILL_H

#include "spool/spool.h"

void die(const char *what, const char *why);
struct spool *open_spool(const char *path);

/* An exposure, an outcome and a decision of each unit. */
void fill_push(const char *path, unsigned long seed, unsigned long units, int64_t ts);
/* Three outcomes that PostgreSQL refuses, among six it takes. */
void fill_poison(const char *path, unsigned long seed, int64_t ts);
/* 24 records in one group, six of each kind; six of them refused, at least one of each kind. */
void fill_poison_all(const char *path, unsigned long seed, int64_t ts);
/* So many outcomes in one group, three or four of them refused. */
void fill_giant(const char *path, unsigned long seed, unsigned long units, int64_t ts);
/* A group whose end is no record, and a sound one after it. */
void fill_damage(const char *path, unsigned long seed, int64_t ts);

#endif
