import { data, devices, openDevice, useDevice } from "../../src/browser.js";
import { type Case, disagreements } from "../conformance/check_case.js";
import { lenetLosses } from "../support/lenet_losses.js";

/** What the page lends to the tests, as `flybrick`. */
const lent = {
  devices,

  async use(name: Parameters<typeof openDevice>[0]): Promise<void> {
    useDevice(await openDevice(name));
  },

  /** Runs the conformance suite: how many cases there are, and which fail, each with why. */
  async conformance(url: string): Promise<{ count: number; failed: [string, string[]][] }> {
    const cases = (await (await fetch(url)).json()) as Case[];
    const failed: [string, string[]][] = [];
    for (const one of cases) {
      const found = await disagreements(one).catch((error: Error) => [error.message]);
      if (found.length > 0) failed.push([one.name, found]);
    }
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

  /** The set of a folder's files, handed over as a file input does; how many examples each part has. */
  async chosen(url: string, names: readonly string[]): Promise<number[]> {
    const files = names.map(async (name) => new File([await (await fetch(`${url}/${name}`)).blob()], name));
    const { trainSet, testSet } = await data.fashionMnist({ files: await Promise.all(files) });
    return [trainSet.count, testSet.count];
  },
};

export type Lent = typeof lent;

Object.assign(globalThis, { flybrick: lent });
