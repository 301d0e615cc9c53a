// A thousand runs at once in one process, for a simulated day: they train all the while. Started by ../simulated-thousand.ts.
import { World } from "@runctl/testing";

const HOUR = 3_600_000;
const count = Number(process.argv[2] ?? "1000");
const world = new World({
  seed: "thousand",
  record: "none",
  clouds: [{ spot: { meanReclaimMs: 24 * HOUR }, keepEvents: 0 }],
  // Longer than a day: at its end all of them still train.
  job: { steps: 26 * 60, stepSeconds: 60, saveEverySteps: 60, saveSeconds: 10, uploadSeconds: 30 },
});
const began = performance.now();
const { runctl } = world.controller({ runctl: { limits: { maxRunning: count, warnRunning: count } } });
const runs = [];
for (let n = 0; n < count; n += 1) runs.push(await world.run(runctl.train(world.spec({ name: `r${n}`, market: "spot-then-on-demand" }))));
const recorded = performance.now();
let most = 0;
for (let hour = 0; hour < 24; hour += 1) {
  await world.clock.advance(HOUR);
  most = Math.max(most, process.memoryUsage().rss);
}
const ms = performance.now() - began;
const training = world.hosts.trainings.filter((one) => one.to === undefined).length;
if (training < 0.9 * count) throw new Error(`only ${training} of ${count} runs still train`);
const [cloud] = world.clouds;
console.log(
  JSON.stringify({
    ms,
    recordedMs: recorded - began,
    count,
    training,
    attempts: world.hosts.trainings.length,
    most,
    heap: process.memoryUsage().heapUsed,
    timers: world.clock.firedTimers,
    finds: cloud.counts.find,
    lists: Object.fromEntries(cloud.listCalls),
  }),
);
world.dispose();
