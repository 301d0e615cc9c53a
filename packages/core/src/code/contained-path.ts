// Lives in util because storage needs it too; this is the name the code room knows it by.
export { containedPath, isInside, realPathOf } from "../util/contained-path.ts";
