// Preloaded for programs of the documents, which are run as printed: what they send to the address in them goes to the tests' cohortd.
const PRINTED = 'http://127.0.0.1:8440';
const { fetch: real } = globalThis;

globalThis.fetch = (input, init) => {
  const url = String(input?.url ?? input);
  if (!url.startsWith(PRINTED)) return real(input, init);
  const there = process.env.COHORT_URL + url.slice(PRINTED.length);
  return input instanceof Request ? real(new Request(there, input), init) : real(there, init);
};
