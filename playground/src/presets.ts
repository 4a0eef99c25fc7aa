import { findModel, type PublishedResult } from "flybrick/models";

/** A network to begin with, and how it is trained. */
export interface Preset {
  readonly title: string;
  readonly code: string;
  readonly optimizer: "sgd" | "adamw";
  readonly learningRate: number;
  /** What "Dive into Deep Learning" prints for ten epochs on all 60,000 images. */
  readonly published?: PublishedResult | undefined;
}

export const presets = {
  lenet: {
    title: "LeNet",
    code: `nn.sequential([1, 28, 28],
  nn.conv2d(1, 6, { kernelSize: 5, padding: 2 }),
  nn.sigmoid(),
  nn.avgPool2d({ kernelSize: 2, stride: 2 }),
  nn.conv2d(6, 16, { kernelSize: 5 }),
  nn.sigmoid(),
  nn.avgPool2d({ kernelSize: 2, stride: 2 }),
  nn.flatten(),
  nn.linear(400, 120),
  nn.sigmoid(),
  nn.linear(120, 84),
  nn.sigmoid(),
  nn.linear(84, 10),
)`,
    optimizer: "adamw",
    learningRate: 0.004,
    published: findModel("lenet").published,
  },
  alexnet28: {
    title: "AlexNet at 28",
    // A quarter of the channels; windows small enough for small images.
    code: `nn.sequential([1, 28, 28],
  nn.conv2d(1, 24, { kernelSize: 5, padding: 2 }),
  nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.conv2d(24, 64, { kernelSize: 5, padding: 2 }),
  nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.conv2d(64, 96, { kernelSize: 3, padding: 1 }),
  nn.relu(),
  nn.conv2d(96, 96, { kernelSize: 3, padding: 1 }),
  nn.relu(),
  nn.conv2d(96, 64, { kernelSize: 3, padding: 1 }),
  nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.flatten(),
  nn.linear(256, 512),
  nn.relu(),
  nn.dropout({ p: 0.5 }),
  nn.linear(512, 512),
  nn.relu(),
  nn.dropout({ p: 0.5 }),
  nn.linear(512, 10),
)`,
    optimizer: "adamw",
    learningRate: 0.001,
  },
  alexnet: {
    title: "AlexNet at 224",
    code: `nn.sequential([1, 224, 224],
  nn.conv2d(1, 96, { kernelSize: 11, stride: 4, padding: 1 }),
  nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.conv2d(96, 256, { kernelSize: 5, padding: 2 }),
  nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.conv2d(256, 384, { kernelSize: 3, padding: 1 }),
  nn.relu(),
  nn.conv2d(384, 384, { kernelSize: 3, padding: 1 }),
  nn.relu(),
  nn.conv2d(384, 256, { kernelSize: 3, padding: 1 }),
  nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.flatten(),
  nn.linear(6400, 4096),
  nn.relu(),
  nn.dropout({ p: 0.5 }),
  nn.linear(4096, 4096),
  nn.relu(),
  nn.dropout({ p: 0.5 }),
  nn.linear(4096, 10),
)`,
    optimizer: "sgd",
    learningRate: 0.01,
    published: findModel("alexnet").published,
  },
  mlp: {
    title: "MLP",
    code: `nn.sequential([1, 28, 28],
  nn.flatten(),
  nn.linear(784, 256),
  nn.relu(),
  nn.linear(256, 10),
)`,
    optimizer: "sgd",
    learningRate: 0.1,
  },
  softmax: {
    title: "Softmax regression",
    code: `nn.sequential([1, 28, 28],
  nn.flatten(),
  nn.linear(784, 10),
)`,
    optimizer: "sgd",
    learningRate: 0.1,
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof presets;
export const presetNames = Object.keys(presets) as PresetName[];

/** The preset whose text this is, if it is one, however it is spaced. */
export function presetOf(code: string): Preset | undefined {
  const packed = (text: string): string => text.replace(/\s+/g, "");
  return Object.values<Preset>(presets).find((preset) => packed(preset.code) === packed(code));
}
