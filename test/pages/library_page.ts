import {
  classic,
  clearTuning,
  type Device,
  data,
  devices,
  models,
  openDevice,
  useDevice,
} from "../../src/browser.js";
import { canShuffle, requestAdapter } from "../../src/devices/webgpu/adapter.js";
import { globalGpu } from "../../src/devices/webgpu/global.js";
import { tunedVariants } from "../../src/devices/webgpu/tuning.js";
import { tuningDatabase } from "../../src/devices/webgpu/tuning_database.js";
import { graphDifferences } from "../compile/random_graph.js";
import { type Case, disagreements } from "../conformance/check_case.js";
import { smallAlexnet } from "../nn/networks.js";
import { departures, shortened, type Trajectory } from "../nn/trajectory.js";
import { lenetLosses } from "../support/lenet_losses.js";
import { randomBits } from "../support/random_bits.js";

const nets = { lenet: models.lenet, smallAlexnet };

let opened: Device;

/** What the page lends to the tests, as `flybrick`. */
const lent = {
  devices,

  async use(name: Parameters<typeof openDevice>[0]): Promise<void> {
    opened = await openDevice(name);
    useDevice(opened);
  },

  randomBits,

  /** Follows a fixture's trajectory for some steps; where it departs. */
  async departures(url: string, net: keyof typeof nets, steps: number): Promise<string[]> {
    const whole = (await (await fetch(url)).json()) as Trajectory;
    return departures(nets[net](), shortened(whole, steps));
  },

  /** Runs random graphs with and without the compiler's passes; where they differ from the reference device. */
  async graphDifferences(seeds: readonly number[]): Promise<string[]> {
    const found: string[] = [];
    for (const seed of seeds) found.push(...(await graphDifferences(seed, opened, { each: false })));
    useDevice(opened);
    return found;
  },

  /** Runs the conformance suite: how many cases there are, and which fail, each with why. */
  async conformance(url: string): Promise<{ count: number; failed: [string, string[]][] }> {
    const cases = (await (await fetch(url)).json()) as Case[];
    const failed: [string, string[]][] = [];
    const check = async (one: Case): Promise<void> => {
      const found = await disagreements(one).catch((error: Error) => [error.message]);
      if (found.length > 0) failed.push([one.name, found]);
    };
    // Together, since most of a case's time is waiting for the GPU's process.
    const together = 8;
    for (let i = 0; i < cases.length; i += together)
      await Promise.all(cases.slice(i, i + together).map(check));
    return { count: cases.length, failed };
  },

  /** Losses of LeNet's first steps on a folder's images, and the bytes of each file that were told to have arrived. */
  async lenet(url: string, steps: number) {
    const received: Record<string, number> = {};
    const set = await data.fashionMnist({
      url,
      onProgress: (progress) => {
        received[progress.file] = progress.received;
      },
    });
    return { source: set.source, received, losses: await lenetLosses(set, steps) };
  },

  /** Which variants a GPU's device takes once the last of each were measured to be fastest, and once that is forgotten. */
  async tuning() {
    const gpu = globalGpu()!;
    const adapter = await requestAdapter(gpu);
    let seconds = 1000;
    const measured = await tunedVariants(adapter.info, canShuffle(gpu, adapter), {
      store: tuningDatabase(),
      measure: async () => seconds--,
      say: (text) => console.warn(text),
      isAsked: true,
    });
    const kept = (await openDevice("webgpu")).variants;
    const place = await clearTuning();
    return { measured, kept, place, forgotten: (await openDevice("webgpu")).variants };
  },

  /** How well HOG's nearest neighbours tell upright stripes from lying ones. */
  async nearest(): Promise<number> {
    const [count, height, width] = [40, 24, 24];
    const labels = Uint8Array.from({ length: count }, (_, k) => k % 2);
    const images = Uint8Array.from({ length: count * height * width }, (_, i) => {
      const [k, y, x] = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
      return ((labels[k] === 0 ? x : y) + (k >> 1)) % 8 < 4 ? 255 : k;
    });
    const features = await classic.hogFeatures({ images, labels, count, height, width, channels: 1 });
    const [seen, unseen] = [0, 20].map((from) => Array.from({ length: 20 }, (_, k) => from + k));
    const learner = await classic
      .kNeighborsClassifier()
      .fit(classic.takeRows(features, seen!), labels.subarray(0, 20));
    return learner.score(classic.takeRows(features, unseen!), labels.subarray(20));
  },

  /** The set of a folder's files, handed over as a file input does; how many examples each part has. */
  async chosen(url: string, names: readonly string[]): Promise<number[]> {
    const files = names.map(async (name) => new File([await (await fetch(`${url}/${name}`)).blob()], name));
    const { trainSet, testSet } = await data.fashionMnist({ files: await Promise.all(files) });
    return [trainSet.count, testSet.count];
  },
};

export type Lent = typeof lent;

Object.assign(globalThis, { flybrick: lent });
