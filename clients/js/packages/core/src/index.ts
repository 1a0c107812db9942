export { backoff, retryAfter, withRetryAfter, PACE, type Pace } from './backoff.js';
export { ServerClock } from './clock.js';
export { exposureFields, outcomeFields, unitsOf, type Context, type EventFields, type Units } from './events.js';
export { cohortMetadata, type CohortMetadata, type CohortReason, type Details } from './metadata.js';
export { EventQueue, type EventStats, type QueueOptions } from './queue.js';
export { Say, type Logger } from './say.js';
export { bytesOf, KEEPALIVE_BYTES, Sender, type Fetch, type Headers, type Refusal, type SenderOptions, type Verdict } from './sender.js';
export { MemoryStore, type EventKind, type EventStore, type QueuedEvent } from './store.js';
export { UuidMaker, type Random } from './uuid.js';
