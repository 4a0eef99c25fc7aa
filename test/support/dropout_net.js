/** A user's own model file: what the command line trains where a test kills it. */
import { nn } from "flybrick";

export default (inputShape = [1, 28, 28]) =>
  nn.sequential(
    inputShape,
    nn.flatten(),
    nn.linear(784, 64),
    nn.relu(),
    nn.dropout({ p: 0.3 }),
    nn.linear(64, 10),
  );
