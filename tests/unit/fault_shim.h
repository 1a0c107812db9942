/* Stands between a test and the system calls that make things durable: kills, fails or delays them, and keeps
 * beside the disk what of it a power cut would leave. Linked into the test, it takes SQLite's calls too. */
#ifndef COHORT_TESTS_FAULT_SHIM_H
#define COHORT_TESTS_FAULT_SHIM_H

enum shim_mode {
    SHIM_OFF,  /* calls are counted, nothing else */
    SHIM_KILL, /* the process dies by SIGKILL at call `at`, after half of a write */
    SHIM_FAIL, /* call `at` and all after it fail with `error` */
    SHIM_FAST, /* syncs are left out: for the one who looks at what is left */
    SHIM_HANG, /* call `at` does not return */
};

/* Counts from 1 again. Only calls on files below `root` count. */
void shim_arm(enum shim_mode mode, unsigned at, int error);
unsigned shim_calls(void);

/* From now on what is synced below root is copied to `disk`: files by inode, directories by name. */
void shim_start(const char *root, const char *disk);

/* Makes in `to` what a directory `name` below root would hold after a power cut. */
void shim_after_power_cut(const char *disk, const char *name, const char *to);

#endif
