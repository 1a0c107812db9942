// The same decisions by @growthbook/growthbook: local_decisions.mjs MODULE_DIR FLAGS. One line a case: name, decisions,
// seconds of CPU, seconds of the clock.
import { createRequire } from "node:module";
const { GrowthBook } = createRequire(process.argv[2] + "/")("@growthbook/growthbook");
const flags = Number(process.argv[3]);
const PEOPLE = 100000;
const features = Object.fromEntries(Array.from({ length: flags }, (_, k) => [`x${k}`, {
  defaultValue: "Buy now",
  rules: [{ key: `x${k}`, seed: `x${k}`, hashVersion: 2, hashAttribute: "id", condition: { country: "DE" }, variations: ["Buy now", "Hurry!"],
    weights: [0.5, 0.5], coverage: 1 }],
}]));
let served = 0;

function timed(name, n, body) {
  const cpu = process.cpuUsage(), wall = performance.now();
  body();
  const used = process.cpuUsage(cpu);
  console.log(name, n, ((used.user + used.system) / 1e6).toFixed(6), ((performance.now() - wall) / 1e3).toFixed(6));
}

const person = (i) => new GrowthBook({ features, attributes: { id: `customer-${i}`, country: "DE" } });

function again(n) {
  const gb = person(1);
  for (let i = 0; i < n; i++) served += gb.getFeatureValue("x0", "").length;
}

function people(from, n, each) {
  for (let i = from; i < from + n; i++) {
    const gb = person(i);
    for (let k = 0; k < each; k++) served += gb.getFeatureValue(`x${k}`, "").length;
    gb.destroy();
  }
}

again(20000); // the compiler has warmed up
people(1e6, 5000, 1);
people(2e6, 500, flags);
timed("again", PEOPLE, () => again(PEOPLE));
timed("one", PEOPLE, () => people(0, PEOPLE, 1));
timed("ten", (PEOPLE / flags) * flags, () => people(0, PEOPLE / flags, flags));
console.error(served);
