// Lives a history in this process and prints its digest. Started by world-replay.real.test.ts.
import { history } from "./history.ts";

const world = await history(process.argv[2] ?? "");
process.stdout.write(world.digest({ now: true }));
world.dispose();
