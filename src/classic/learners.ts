import { UserError } from "../core/errors.js";
import type { Learners } from "../devices/learners.js";
import { currentDevice } from "../tensor/evaluate.js";

/** The learners of the device in use. Throws a UserError where it has none. */
export function learners(model: string): Learners {
  const { learners, description } = currentDevice();
  if (!learners)
    throw new UserError(
      `${model} is fitted by the CPU device's addon, and the device in use is another: ${description}. Use the device "cpu" (flybrick devices tells whether it is there)`,
    );
  return learners;
}
