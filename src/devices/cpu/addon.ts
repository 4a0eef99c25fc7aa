import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { UserError } from "../../core/errors.js";
import { packageRoot } from "../package_root.js";

/** Objects of the addon; opaque. */
export type Handle = { readonly handle: unique symbol };

/** What native/addon.cc exports. */
export interface Addon {
  /** 0 threads: as many as the process may use. An empty name: the best instruction set there is. */
  open(threads: number, instructionSet: string): Handle;
  info(device: Handle): {
    readonly instructionSet: string;
    readonly threads: number;
    readonly table: number;
  };
  allocate(device: Handle, bytes: number): Handle;
  free(buffer: Handle): void;
  address(buffer: Handle): bigint;
  write(buffer: Handle, byteOffset: number, bytes: Uint8Array): void;
  read(buffer: Handle, byteOffset: number, byteLength: number): Promise<Uint8Array>;
  prepare(device: Handle, program: Int32Array): Handle;
  run(
    program: Handle,
    buffers: readonly Handle[],
    byteOffsets: Float64Array,
    scalars: Float64Array,
  ): Promise<void>;
  svmLeastBytes(rows: number): number;
  /** Arrays as native/learners.cc says. */
  fitSvm(
    device: Handle,
    x: Float32Array,
    settings: Float64Array,
    rows: Int32Array,
    problems: Int32Array,
    betas: Float64Array,
    results: Float64Array,
    control: Int32Array,
  ): Promise<void>;
  fitLinearSvm(
    device: Handle,
    x: Float32Array,
    labels: Int32Array,
    classes: Int32Array,
    settings: Float64Array,
    weights: Float64Array,
    results: Float64Array,
    control: Int32Array,
  ): Promise<void>;
  growForest(
    device: Handle,
    codes: Uint8Array,
    labels: Int32Array,
    lows: Float32Array,
    highs: Float32Array,
    settings: Float64Array,
    control: Int32Array,
  ): Promise<(Int32Array | Float32Array)[]>;
  walkForest(
    device: Handle,
    x: Float32Array,
    nodes: Int32Array,
    thresholds: Float32Array,
    values: Float32Array,
    roots: Int32Array,
    settings: Float64Array,
    shares: Float32Array,
    control: Int32Array,
  ): Promise<void>;
}

/** Loads the addon: a local build, else the one that came with the package. Throws a UserError that lists what was tried. */
export function loadAddon(): Addon {
  const root = packageRoot();
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  const places = [
    join(root, "build", "flybrick.node"),
    join(root, "prebuilt", `${process.platform}-${process.arch}`, "flybrick.node"),
  ];
  for (const path of places) {
    if (!existsSync(path)) {
      tried.push(`${path}: not there`);
      continue;
    }
    try {
      return require(path) as Addon;
    } catch (error) {
      tried.push(`${path}: ${(error as Error).message}`);
    }
  }
  throw new UserError(
    `the CPU device's addon could not be loaded. Tried:\n  ${tried.join("\n  ")}\nInstall a compiler (apt-get install g++) and run npm run build:addon in the package's directory.`,
  );
}
