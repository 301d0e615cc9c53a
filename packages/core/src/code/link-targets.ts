/** Linux gives up with ELOOP after as many links: what lies behind more of them cannot be reached. */
const MAX_EXPANSIONS = 40;

/**
 * Does the link stay in the tree when the kernel follows it, other links of the tree included? `a/../..` is harmless or not depending on
 * what `a` is. The host agent applies the same rule and refuses a tree that breaks it.
 */
export function staysInside(path: string, target: string, links: ReadonlyMap<string, string>): boolean {
  if (target.startsWith("/")) return false;
  const at = path.split("/").slice(0, -1);
  let todo = target.split("/");
  for (let expansions = 0; expansions <= MAX_EXPANSIONS; ) {
    const part = todo.shift();
    if (part === undefined) return true;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      if (at.length === 0) return false;
      at.pop();
      continue;
    }
    at.push(part);
    const further = links.get(at.join("/"));
    if (further === undefined) continue;
    expansions += 1;
    at.pop();
    todo = [...further.split("/"), ...todo];
  }
  return true;
}
