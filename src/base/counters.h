/* Counters and gauges of one server, shown at /metrics. Each is documented where it is declared. */
#ifndef COHORT_BASE_COUNTERS_H
#define COHORT_BASE_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

/* X(field, metric name, type, help) */
#define COUNTERS(X)                                                                                          \
    X(http_connections, "cohortd_http_connections", "gauge", "Open HTTP connections.")                       \
    X(http_requests, "cohortd_http_requests_total", "counter", "HTTP requests answered.")                    \
    X(http_4xx, "cohortd_http_responses_4xx_total", "counter", "Answers with a status from 400 to 499.")     \
    X(http_5xx, "cohortd_http_responses_5xx_total", "counter", "Answers with a status of 500 or above.")     \
    X(http_refused, "cohortd_http_connections_refused_total", "counter",                                     \
      "Connections closed at once because a limit was reached.")                                             \
    X(overloaded, "cohortd_http_overloaded_total", "counter",                                                \
      "Requests refused because a worker could not keep up.")                                                \
    X(limited_keys, "cohortd_rate_limited_keys_total", "counter",                                            \
      "Requests refused (429) by a limit of their API key.")                                                 \
    X(limited_addresses, "cohortd_rate_limited_addresses_total", "counter",                                  \
      "Requests refused (429) by the limit of their address.")                                               \
    X(limited_failed, "cohortd_rate_limited_failed_auth_total", "counter",                                   \
      "Requests without a good key refused (429) by the limit of their address.")                            \
    X(rate_per_key, "cohortd_rate_per_key", "gauge", "Option rate_per_key; 0: no limit.")                    \
    X(rate_per_address, "cohortd_rate_per_address", "gauge", "Option rate_per_address; 0: no limit.")        \
    X(rate_failed_auth, "cohortd_rate_failed_auth", "gauge", "Option rate_failed_auth; 0: no limit.")        \
    X(streams, "cohortd_streams", "gauge", "Open event streams.")                                            \
    X(stream_messages, "cohortd_stream_messages_total", "counter",                                           \
      "Times a client was told by its stream to ask again.")                                                 \
    X(streams_dropped, "cohortd_streams_dropped_total", "counter",                                           \
      "Streams closed because their client did not read.")                                                   \
    X(streams_refused, "cohortd_streams_refused_total", "counter",                                           \
      "Streams not opened because max_streams are open.")                                                    \
    X(tls_failed, "cohortd_tls_handshakes_failed_total", "counter", "TLS handshakes that failed.")           \
    X(tls_expires, "cohortd_tls_certificate_expiry_seconds", "gauge",                                        \
      "When the certificate expires, in seconds since 1970; 0 without TLS.")                                 \
    X(decisions, "cohortd_decisions_total", "counter", "Flags decided, single and bulk.")                    \
    X(exposures, "cohortd_exposures_accepted_total", "counter",                                              \
      "Exposures accepted, evaluated or reported.")                                                          \
    X(outcomes, "cohortd_outcomes_accepted_total", "counter", "Outcome events accepted.")                    \
    X(rejected, "cohortd_events_rejected_total", "counter", "Events rejected with a reason (dead letters).") \
    X(records_lost, "cohortd_decision_records_lost_total", "counter",                                        \
      "Decision and exposure records the spool refused after the answer had left.")                          \
    X(spool_groups, "cohortd_spool_groups", "gauge",                                                         \
      "Groups in the spool, shipped ones in their grace too.")                                               \
    X(spool_bytes, "cohortd_spool_bytes", "gauge",                                                           \
      "Bytes of records in the spool, shipped ones in their grace too.")                                     \
    X(spool_unshipped_bytes, "cohortd_spool_unshipped_bytes", "gauge",                                       \
      "Of those, not yet stored in PostgreSQL: what spool_max_bytes limits.")                                \
    X(spool_commits, "cohortd_spool_commits_total", "counter", "Group commits of the spool.")                \
    X(shipped_batches, "cohortd_shipped_batches_total", "counter", "Batches committed to PostgreSQL.")       \
    X(shipped_rows, "cohortd_shipped_rows_total", "counter", "Rows stored in PostgreSQL by this node.")      \
    X(shipped_duplicates, "cohortd_shipped_duplicates_total", "counter", "Rows PostgreSQL already had.")     \
    X(ship_errors, "cohortd_ship_errors_total", "counter", "Batches that failed and are tried again.")       \
    X(plan_version, "cohortd_plan_version", "gauge", "config_version of the plan being served.")             \
    X(plan_loads, "cohortd_plan_loads_total", "counter", "Plans compiled and swapped in.")                   \
    X(plan_confirmed_us, "cohortd_plan_confirmed_microseconds", "gauge",                                     \
      "When the database last confirmed the plan, by the machine's monotonic clock.")                        \
    X(monitor_heard_us, "cohortd_monitor_heard_microseconds", "gauge",                                       \
      "When the monitor's last heartbeat was heard of, by the machine's monotonic clock.")                   \
    X(stopping, "cohortd_stopping", "gauge", "1 once this node was told to stop: /readyz says 503.")         \
    X(plan_age_s, "cohortd_plan_age_seconds", "gauge",                                                       \
      "Since the database last confirmed the plan, when /metrics was read.")                                 \
    X(monitor_age_s, "cohortd_monitor_age_seconds", "gauge",                                                 \
      "Since the monitor was last heard of; since the machine's start when it never was.")                   \
    X(quarantined, "cohortd_quarantined_experiments", "gauge",                                               \
      "Experiments this node could not compile: served as if they were not there.")                          \
    X(spool_max_bytes, "cohortd_spool_max_bytes", "gauge", "Option spool_max_bytes.")                        \
    X(started_s, "process_start_time_seconds", "gauge", "When this process started, in Unix time.")          \
    X(cpu_s, "process_cpu_seconds_total", "counter", "CPU this process has used, in whole seconds.")         \
    X(resident_bytes, "process_resident_memory_bytes", "gauge", "Memory of this process.")                   \
    X(leader, "cohortd_leader", "gauge", "1 while this node leads the monitor.")                             \
    X(monitor_passes, "cohortd_monitor_passes_total", "counter", "Passes of the monitor on this node.")      \
    X(guard_stops, "cohortd_guardrail_stops_total", "counter",                                               \
      "Experiments stopped by this node's monitor.")                                                         \
    X(guard_alerts, "cohortd_guardrail_alerts_total", "counter", "Guardrail alerts raised by this node.")

/* The books of this node's queue: accepted = stored + duplicates + dead letters + spooled, in every reading.
 * They belong to the queue's current id and outlive restarts. X(field, metric name, type, help) */
#define LEDGER(X)                                                                                            \
    X(accepted, "cohort_spool_accepted_records_total", "counter", "Records accepted into the spool.")        \
    X(stored, "cohort_spool_stored_records_total", "counter", "Of those, rows stored in PostgreSQL.")        \
    X(duplicates, "cohort_spool_duplicate_records_total", "counter",                                         \
      "Of those, records PostgreSQL already had.")                                                           \
    X(dead_letters, "cohort_spool_dead_letter_records_total", "counter",                                     \
      "Of those, records in cohort.dead_letter.")                                                            \
    X(spooled, "cohort_spool_records", "gauge", "Of those, records not yet known to be in PostgreSQL.")

/* What is known of the spool whether PostgreSQL has answered or not. */
#define LEDGER_ASIDE(X)                                                                                      \
    X(conflicts, "cohort_spool_conflict_records_total", "counter",                                           \
      "Dead letters of events that were stored with another body.")                                          \
    X(failed, "cohort_spool_failed_records_total", "counter",                                                \
      "Records the spool could not commit since the start: answered 503, not accepted.")                     \
    X(damaged, "cohort_spool_damaged_groups_total", "counter",                                               \
      "Groups found damaged in the spool and set aside; their records are dead letters.")

struct ledger {
#define LEDGER_FIELD(field, name, type, help) int64_t field;
    LEDGER(LEDGER_FIELD)
    LEDGER_ASIDE(LEDGER_FIELD)
#undef LEDGER_FIELD
};

struct counters {
#define COUNTER_FIELD(field, name, type, help) _Atomic int64_t field;
    COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
    /* Reads the books in one piece, from any thread; false: PostgreSQL has not said yet what it has (only the
     * fields aside are filled). Set before other threads start; NULL: there is no spool. */
    bool (*read_ledger)(void *arg, struct ledger *out);
    void *ledger_arg;
};

#define counter_add(c, field, n) atomic_fetch_add_explicit(&(c)->field, (n), memory_order_relaxed)
#define counter_set(c, field, n) atomic_store_explicit(&(c)->field, (n), memory_order_relaxed)
#define counter_get(c, field) atomic_load_explicit(&(c)->field, memory_order_relaxed)

/* Prometheus text exposition format 0.0.4. The ledger's lines are left out while nothing is known. */
void counters_write(const struct counters *c, struct buffer *out);

#endif
