/**
 * (i): things in waves, dependents first: a wave holds what nothing left needs. Members of a cycle, which should not exist,
 * come last, each in a wave of its own, so that nothing is forgotten and nothing loops.
 * @param neededBy ids of the things that need it; ids outside the list do not count.
 */
export function deletionWaves<T extends { id: string; neededBy: readonly string[] }>(items: readonly T[]): T[][] {
  const waves: T[][] = [];
  let left = [...items];
  while (left.length > 0) {
    const ids = new Set(left.map((item) => item.id));
    const free = left.filter((item) => !item.neededBy.some((id) => id !== item.id && ids.has(id)));
    if (free.length === 0) return [...waves, ...left.map((item) => [item])];
    waves.push(free);
    left = left.filter((item) => !free.includes(item));
  }
  return waves;
}
