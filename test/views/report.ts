import type { Activations } from "../../src/views/activations.js";
import type { Inspection, Report, ReportEpoch } from "../../src/views/report_page.js";

const classNames = ["t-shirt", "trouser", "pullover", "dress", "coat"];
const wave = (count: number) => Array.from({ length: count }, (_, k) => Math.sin(k) * (1 + (k % 7)));
const pixels = { data: wave(64), width: 8, height: 8, channels: 1 } as const;

function activations(label: string): Activations {
  return {
    label,
    pixels,
    probabilities: [0.1, 0.05, 0.6, 0.05, 0.2],
    layers: [
      { layer: "1 ReLU", shape: [8, 6, 6], values: wave(8 * 36) },
      { layer: "4 ReLU", shape: [30], values: wave(30) },
    ],
  };
}

const layers = (epoch: number) => ({
  gradientNorms: { "0.weight": 0.1 / epoch, "0.bias": 0.2, "3.weight": 2 / epoch },
  deadShares: { "1 ReLU": 0.05 * epoch, "4 ReLU": 0 },
});

/** Numbers made up to try the views with: nothing here was measured. */
export const inspection: Inspection = {
  examples: 50,
  testCount: 1000,
  accuracy: 0.8,
  confusion: {
    classNames,
    counts: classNames.map((_, t) => classNames.map((_, p) => (t === p ? 8 : (t + p) % 2))),
  },
  mistakes: Array.from({ length: 6 }, () => ({
    pixels,
    truth: "dress",
    predicted: "coat",
    confidence: 0.97,
  })),
  kernels: { weights: wave(12 * 25), shape: [12, 1, 5, 5] },
  activations: [activations("pullover"), activations("coat")],
  layers: layers(4),
};

export function epochs(count: number, withLayers = false): ReportEpoch[] {
  return Array.from({ length: count }, (_, k) => ({
    epoch: k + 1,
    loss: 2 / (k + 1),
    trainAccuracy: 0.9 - 0.6 / (k + 1),
    testAccuracy: 0.88 - 0.5 / (k + 1),
    seconds: 1.5,
    examplesPerSecond: 4000,
    ...(withLayers ? { layers: layers(k + 1) } : {}),
  }));
}

export function report(changes: Partial<Report> = {}): Report {
  return {
    title: "LeNet on Fashion-MNIST",
    subtitle: "made up",
    epochs: epochs(4),
    planned: 10,
    stoppedEarly: false,
    published: { loss: 0.469, trainAccuracy: 0.823, testAccuracy: 0.779 },
    inspection,
    configuration: { batchSize: 256, clipGradNorm: false },
    environment: { device: "cpu" },
    ...changes,
  };
}
