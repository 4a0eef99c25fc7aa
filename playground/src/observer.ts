import { classify, type Device, type data, glimpse, judge, useDevice } from "flybrick";
import type { Sequential } from "flybrick/nn";
import type { Garment, LookReport, Picture, Wanted } from "./looks.js";

/** The network of a run, and what it is tested on. */
export interface Subject {
  readonly run: number;
  readonly net: Sequential;
  readonly device: Device;
  readonly testSet: data.Dataset;
  readonly testImages: data.LabelledImages;
}

/** Looks take about this share of the time, and more only where one would be had less often than `mostSeconds`. */
const share = 0.05;
const mostSeconds = 12;
const examplesPerClass = 3;
/** Gradients are measured on so many test images. */
const batchSize = 64;

/** Something that is looked at again and again, seldom enough to be cheap. */
class Look {
  /** Of the weights that were looked at last, in epochs. */
  seen = Number.NaN;
  private isUnderWay = false;
  private dueAt = 0;
  /** The first one prepares kernels, which says nothing of the next. */
  private isPrepared = false;

  constructor(
    private readonly leastSeconds: number,
    private readonly act: () => Promise<void>,
  ) {}

  get isDue(): boolean {
    return !this.isUnderWay && performance.now() >= this.dueAt;
  }

  /** Asks for a new look as soon as one may be had. */
  renew(): void {
    this.seen = Number.NaN;
    this.dueAt = 0;
  }

  /** Another network. */
  begin(): void {
    this.isPrepared = false;
    this.renew();
  }

  /** `queue` runs it between two steps. */
  async take(position: () => number, queue: (act: () => Promise<void>) => Promise<void>): Promise<void> {
    if (this.isUnderWay) return;
    this.isUnderWay = true;
    // What is asked for meanwhile is due again.
    this.dueAt = Number.POSITIVE_INFINITY;
    try {
      await queue(async () => {
        const start = performance.now();
        this.seen = position();
        await this.act();
        const took = this.isPrepared ? (performance.now() - start) / 1000 : 0;
        this.isPrepared = true;
        const rest = Math.max(this.leastSeconds, Math.min(mostSeconds, took * (1 / share - 1)));
        if (this.dueAt > 0) this.dueAt = performance.now() + 1000 * rest;
      });
    } finally {
      this.isUnderWay = false;
    }
  }
}

/** Looks at the network between steps, for the panels that are shown. */
export class Observer {
  private subject: Subject | undefined;
  private wanted: Wanted = { inside: null, results: false };
  /** Epochs that the network has behind it. */
  private position = 0;
  private readonly looks = {
    inside: new Look(1, () => this.lookInside()),
    results: new Look(2, () => this.lookAtResults()),
  };

  /** `between` does something when no step is under way. */
  constructor(
    private readonly between: (act: () => Promise<void>) => Promise<void>,
    private readonly send: (report: LookReport) => void,
  ) {}

  begin(subject: Subject): void {
    this.subject = subject;
    this.position = 0;
    for (const look of Object.values(this.looks)) look.begin();
    const { testImages, testSet, run } = subject;
    const { classNames } = testSet;
    this.send({ type: "garments", of: run, garments: garmentsOf(testImages, classNames.length), classNames });
  }

  watch(wanted: Wanted): void {
    const { inside } = wanted;
    const isOther = JSON.stringify(inside) !== JSON.stringify(this.wanted.inside);
    this.wanted = wanted;
    if (isOther) this.looks.inside.renew();
    this.lookWhereNew(() => true);
  }

  /** After a step. */
  progress(position: number): void {
    this.position = position;
    this.lookWhereNew((look) => look.isDue);
  }

  /** The run waits or has ended: what is shown is what it has become. */
  settle(): void {
    this.lookWhereNew(() => true);
  }

  classify(picture: Picture): void {
    const { subject } = this;
    if (!subject) return;
    const { net, testSet } = subject;
    const [, height, width] = testSet.shape;
    void this.queue("guesses", async () => {
      const guesses = await classify(net, picture, {
        ...{ classNames: testSet.classNames, size: [height, width] as const },
      });
      this.send({ type: "guesses", guesses });
    });
  }

  private lookWhereNew(isWanted: (look: Look) => boolean): void {
    for (const what of ["inside", "results"] as const) {
      const look = this.looks[what];
      if (!this.subject || !this.wanted[what] || look.seen === this.position || !isWanted(look)) continue;
      void look.take(
        () => this.position,
        (act) => this.queue(what, act),
      );
    }
  }

  /** What cannot be seen is told, and training goes on. */
  private async queue(
    what: (LookReport & { type: "unseen" })["what"],
    act: () => Promise<void>,
  ): Promise<void> {
    try {
      await this.between(async () => {
        useDevice(this.subject!.device);
        await act();
      });
    } catch (error) {
      this.send({ type: "unseen", what, sentence: (error as Error).message });
    }
  }

  private async lookInside(): Promise<void> {
    const { net, testSet, run } = this.subject!;
    const { inside } = this.wanted;
    if (!inside) return;
    const { garment, layer } = inside;
    const seen = await glimpse(net, testSet, { image: garment, layer: layer ?? undefined, batchSize });
    this.send({ type: "inside", of: run, position: this.position, garment, glimpse: seen });
  }

  private async lookAtResults(): Promise<void> {
    const { net, testSet, run } = this.subject!;
    const wasTraining = net.training;
    net.eval();
    try {
      const { results } = await judge(net, testSet, { mistakes: 12, batchSize: 128 });
      this.send({ type: "results", of: run, position: this.position, results });
    } finally {
      net.train(wasTraining);
    }
  }
}

/** The first test images of each class. */
function garmentsOf({ images, labels, width, height }: data.LabelledImages, classes: number): Garment[] {
  const plane = width * height;
  const found = Array.from({ length: classes }, (_, label) =>
    [...labels.keys()].filter((number) => labels[number] === label).slice(0, examplesPerClass),
  );
  return Array.from({ length: examplesPerClass }, (_, k) =>
    found.flatMap((numbers, label) => {
      const number = numbers[k];
      if (number === undefined) return [];
      const data = Uint8ClampedArray.from(images.subarray(number * plane, (number + 1) * plane));
      return [{ number, label, data, width, height }];
    }),
  ).flat();
}
