// One run that trains for thirty days of simulated time on spot machines that are taken away now and then. Started by ../simulated-month.ts.
import { World } from "@runctl/testing";

const DAY = 86_400_000;
const days = Number(process.argv[2] ?? "30");
const world = new World({
  seed: "month",
  record: "none",
  clouds: [{ spot: { meanReclaimMs: 3 * DAY }, keepEvents: 0 }],
  // A step a minute, a checkpoint an hour.
  job: { steps: days * 1440, stepSeconds: 60, saveEverySteps: 60, saveSeconds: 10, uploadSeconds: 30 },
});
const began = performance.now();
const controller = world.controller();
const { runctl } = controller;
const run = await world.run(runctl.train(world.spec({ market: "spot-then-on-demand" })));
const result = await world.run(run.result());
const ms = performance.now() - began;
if (result.status !== "succeeded") throw new Error(JSON.stringify(result));
const simulatedDays = world.clock.monotonic() / DAY;
if (simulatedDays < days) throw new Error(`only ${simulatedDays} days have passed`);
console.log(
  JSON.stringify({
    ms,
    simulatedDays,
    attempts: world.hosts.trainings.length,
    timers: world.clock.firedTimers,
    calls: controller.calls,
    events: world.log(run.id).length,
    finds: world.clouds[0].counts.find,
    rss: process.memoryUsage().rss,
  }),
);
world.dispose();
