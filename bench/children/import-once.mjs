// One cold import in a process of its own. Prints milliseconds of wall time and of processor time.
const cpu = process.cpuUsage();
const began = performance.now();
await import(process.argv[2]);
const wall = performance.now() - began;
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({ wall, cpu: (user + system) / 1000 }));
