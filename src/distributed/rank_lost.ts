import { UserError } from "../core/errors.js";

/** Another rank has failed or ended, so that this one cannot go on. */
export class RankLostError extends UserError {}
