/** Quiet hosts are looked at this many times a second, all of a process together: a thousand of them cost what a handful cost. */
const QUIET_LOOKS_PER_SECOND = 4;
/** So many looks may wait on their hosts at the same time; each holds a connection open. */
const MAX_WAITING = 64;

/** Shares looks at hosts among all attempts that one process follows. */
export class LookPace {
  #hosts = 0;
  #waiting = 0;

  /** One more host is followed; the returned function ends it. */
  enter(): () => void {
    this.#hosts += 1;
    let left = false;
    return () => {
      if (!left) this.#hosts -= 1;
      left = true;
    };
  }

  /** How long to leave a quiet host alone, in milliseconds: what it would be alone, or longer for its share. */
  quietMs(alone: number): number {
    return Math.max(alone, (this.#hosts / QUIET_LOOKS_PER_SECOND) * 1000);
  }

  /**
   * Leave to hold looks open on a host; undefined when enough are held. Half of the places are kept for `urgent` hosts: those that
   * may announce their end. Call what is returned when it is no longer needed.
   */
  mayWait(urgent: boolean): (() => void) | undefined {
    if (this.#waiting >= (urgent ? MAX_WAITING : MAX_WAITING / 2)) return undefined;
    this.#waiting += 1;
    return () => {
      this.#waiting -= 1;
    };
  }
}
