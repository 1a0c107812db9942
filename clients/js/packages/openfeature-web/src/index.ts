export { cohortMetadata, type CohortMetadata, type CohortReason, type EventStats } from '@cohortd/client-core';
export { CohortWebProvider } from './provider.js';
export type { CohortWebProviderOptions } from './options.js';
