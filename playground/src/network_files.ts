import { decodeWeights, encodeSafetensors, encodeWeights, manualSeed, UserError } from "flybrick";
import type { Sequential } from "flybrick/nn";
import { readCheckpoint } from "./checkpoint_database.js";
import type { FileFormat, WeightsFile } from "./messages.js";
import { readNetwork } from "./network_code.js";
import type { State } from "./state.js";

/** A state's network as its run begins. Throws what does not fit, in a sentence. */
export function networkOf(state: State, weights: WeightsFile | null): Sequential {
  // Biases are drawn where a network is made.
  manualSeed(state.seed);
  const net = readNetwork(state.code);
  if (weights) fill(net, weights);
  return net;
}

function fill(net: Sequential, { bytes, name }: WeightsFile): void {
  try {
    decodeWeights(net, bytes, name);
  } catch (error) {
    const { message } = error as Error;
    throw message.startsWith(name) ? error : new UserError(`${name} does not fit this network: ${message}`);
  }
}

/** A network's weights as a file; ONNX's writer is loaded when it is first asked for. */
export async function encodeNetwork(
  net: Sequential,
  format: FileFormat,
  classNames: readonly string[],
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes =
    format === "onnx"
      ? await (await import("./onnx_file.js")).encodeOnnx(net, { classNames })
      : await encodeWeights(net);
  return bytes.slice();
}

/** A run's network as its newest checkpoint has it. Throws where there is none. */
export async function networkOfCheckpoint(run: number, state: State): Promise<Sequential> {
  const kept = await readCheckpoint(run);
  if (!kept) throw new Error("the weights of this run are no longer there; train anew");
  const prefix = "state.";
  const own = [...kept.tensors].filter(([name]) => name.startsWith(prefix));
  const tensors = new Map(own.map(([name, one]) => [name.slice(prefix.length), one]));
  return networkOf(state, { name: "the checkpoint", bytes: encodeSafetensors(tensors).slice() });
}
