/** Why a decision came out as it did; see "Ask for a decision" in the HTTP API. A server may know more than this client. */
export type CohortReason =
  | 'VARIANT' | 'FORCED' | 'ROLLOUT' | 'DEFAULT' | 'STICKY' | 'OVERRIDE' | 'SHIPPED' | 'HOLDBACK' | 'NOT_STARTED' | 'SCHEDULED'
  | 'PAUSED' | 'STOPPED' | 'ENDED' | 'ARCHIVED' | 'GUARD_STOP' | 'GUARD_BLIND' | 'TARGETING' | 'PREREQUISITE' | 'NOT_IN_LAYER'
  | 'NOT_IN_TRAFFIC' | 'HOLDOUT' | 'ARM_DROPPED' | 'UNIT_MISSING' | 'QUARANTINED' | 'LOW_CONFIDENCE' | 'OUT_OF_RANGE'
  | 'ATTRIBUTE_MISSING';

/** What cohortd says about a decision, beside the value. */
export interface CohortMetadata {
  /** The decision's UUID, under which the server logged it. */
  readonly decisionId?: string;
  readonly reason?: CohortReason | (string & {});
  /** The variant that was served; `default` where a flag's default was. */
  readonly variant?: string;
  /** The experiment that decided, or kept the unit out; none when a flag has no such rule. */
  readonly experiment?: string;
  /** Number of the phase whose shares drew the variant; only for a unit that is in the experiment. */
  readonly phase?: number;
  /** The variant's share among those enrolled, in parts per million. */
  readonly propensity?: number;
  /** The share of units that are enrolled, in parts per million. */
  readonly inclusion?: number;
  /** The holdout that keeps the unit out. */
  readonly holdout?: string;
  /** The unit's arm of each holdout that was asked. */
  readonly holdouts: ReadonlyMap<string, string>;
  /** A signed note of a sticky variant: send it back as the context's `cohortTokens`. */
  readonly token?: string;
  readonly planVersion?: number;
  /** A signed note of the context's units, for client keys: events of these units are sent with it. */
  readonly eventToken?: string;
}

/** The part of OpenFeature's evaluation details that is read here. */
export interface Details {
  readonly variant?: string | undefined;
  readonly flagMetadata?: Readonly<Record<string, unknown>> | undefined;
}

const TEXTS = ['decisionId', 'reason', 'experiment', 'holdout', 'token', 'eventToken'] as const;
const NUMBERS = ['phase', 'propensity', 'inclusion', 'planVersion'] as const;

/** The metadata of an evaluation, typed: `cohortMetadata(client.getStringDetails('cta', 'Buy'))`. */
export function cohortMetadata(details: Details): CohortMetadata {
  const from = details.flagMetadata ?? {};
  const out: Record<string, unknown> = { holdouts: holdoutsOf(from['holdouts']) };
  if (details.variant !== undefined) out['variant'] = details.variant;
  for (const name of TEXTS) if (typeof from[name] === 'string') out[name] = from[name];
  for (const name of NUMBERS) if (typeof from[name] === 'number') out[name] = from[name];
  return out as unknown as CohortMetadata;
}

/** "all_q4=in,search=out": OFREP's metadata has no lists. */
function holdoutsOf(text: unknown): Map<string, string> {
  const arms = new Map<string, string>();
  if (typeof text !== 'string') return arms;
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=');
    if (at > 0) arms.set(pair.slice(0, at), pair.slice(at + 1));
  }
  return arms;
}
