import type { CohortMetadata } from './metadata.js';

/** Ids of everyone an event is about, by unit type: `{ user: 'c-17', account: 'a-3' }`. */
export type Units = Record<string, string>;

/** What is read of OpenFeature's evaluation context. */
export type Context = Readonly<Record<string, unknown>> & { readonly targetingKey?: string | undefined };

type Attributes = Record<string, string | number | boolean>;

/** An event without its id and time. */
export type EventFields = Record<string, unknown>;

const ATTRIBUTES_MAX = 50;

/** Unit types are lower-case words; `user` is the targeting key. Undefined when the context names nobody. */
export function unitsOf(context: Context, unitTypes: readonly string[]): Units | undefined {
  const units: Units = {};
  if (typeof context.targetingKey === 'string' && context.targetingKey !== '') units['user'] = context.targetingKey;
  for (const type of unitTypes) {
    const id = context[type];
    if (typeof id === 'string' && id !== '') units[type] = id;
  }
  return Object.keys(units).length > 0 ? units : undefined;
}

function attributesOf(from: Readonly<Record<string, unknown>>, without: readonly string[]): Attributes | undefined {
  const out: Attributes = {};
  let n = 0;
  for (const [name, value] of Object.entries(from)) {
    if (n >= ATTRIBUTES_MAX || without.includes(name)) continue;
    if (typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) {
      out[name] = value as string | number | boolean;
      n++;
    }
  }
  return n > 0 ? out : undefined;
}

/** An outcome, from what `track()` of OpenFeature is given. `details.decision` is the id of the decision that led to it. */
export function outcomeFields(name: string, units: Units, details: Readonly<Record<string, unknown>>): EventFields {
  const attributes = attributesOf(details, ['value', 'decision']);
  return {
    name,
    units,
    ...(details['value'] === undefined ? {} : { value: details['value'] }),
    ...(details['decision'] === undefined ? {} : { decision: details['decision'] }),
    ...(attributes === undefined ? {} : { attributes }),
  };
}

/**
 * The exposures that using a decided value is: one to the experiment that drew its variant (an override or what was shipped has no
 * phase), and one to each holdout that was asked, whatever its arm. Context attributes go along because an experiment's segments are taken from them.
 */
export function exposureFields(m: CohortMetadata, units: Units, context: Context): EventFields[] {
  const attributes = attributesOf(context, ['targetingKey', 'cohortTokens', ...Object.keys(units)]);
  const more = {
    units,
    ...(m.decisionId === undefined ? {} : { decision: m.decisionId }),
    ...(m.eventToken === undefined ? {} : { event_token: m.eventToken }),
    ...(attributes === undefined ? {} : { attributes }),
  };
  const out: EventFields[] = [];
  if (m.experiment !== undefined && m.variant !== undefined && m.phase !== undefined)
    out.push({ experiment: m.experiment, variant: m.variant, phase: m.phase, ...(m.token === undefined ? {} : { token: m.token }), ...more });
  for (const [experiment, variant] of m.holdouts) out.push({ experiment, variant, phase: 1, ...more });
  return out;
}
