/** Tag keys that runctl sets in the create call. "runctl:created", ":project", ":user", "CreatedBy" keep the names of the old tool. */
export const TAGS = {
  createdBy: "CreatedBy",
  created: "runctl:created",
  project: "runctl:project",
  user: "runctl:user",
  state: "runctl:state",
  run: "runctl:run",
  attempt: "runctl:attempt",
  intent: "runctl:intent",
  protected: "runctl:protected",
  important: "runctl:important",
  persistent: "runctl:persistent",
  /** ISO time at which cleanup marked it for deletion on a later pass. */
  cleanupMarked: "runctl:cleanup-marked",
} as const;
