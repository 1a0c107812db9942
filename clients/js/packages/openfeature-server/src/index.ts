export { cohortMetadata, type CohortMetadata, type CohortReason, type EventStats, type Logger } from '@cohortd/client-core';
export { CohortProvider, type CohortProviderOptions } from './provider.js';
