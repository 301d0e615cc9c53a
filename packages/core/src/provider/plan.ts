/** A remark, warning or refusal that a program can match by `id`. */
export interface Notice {
  id: string;
  what: string;
  why: string;
  fix: string[];
}
