/** A user's own model file, with types: a network instead of a function. */
import { nn } from "flybrick";

const hidden: number = 12;

export default nn.sequential(
  [1, 20, 20],
  nn.flatten(),
  nn.linear(400, hidden),
  nn.tanh(),
  nn.linear(hidden, 10),
);
