import { cpus } from "node:os";
import { UserError } from "../../core/errors.js";
import type { Plan } from "../../core/plan.js";
import { tableHash } from "../../render/cpu.js";
import {
  type ConvolutionAlgorithm,
  type Device,
  type DeviceBuffer,
  type Prepared,
  requireConvolution,
} from "../device.js";
import { encode, encodePieces } from "../plan_words.js";
import { type Handle, loadAddon } from "./addon.js";
import { cpuLearners } from "./learners.js";

export interface CpuOptions {
  /** As many as the process may use if left out. */
  threads?: number;
  /** Pins the instruction set; left out: FLYBRICK_ISA, else the best this processor has. */
  isa?: string;
  /** `auto` if left out; another changes results in their last bits. */
  convolution?: ConvolutionAlgorithm;
}

interface CpuBuffer extends DeviceBuffer {
  readonly handle: Handle;
}

interface CpuPrepared extends Prepared {
  readonly handle: Handle;
}

const instructionSets: Record<string, string> = {
  avx512: "AVX-512",
  avx2: "AVX2",
  portable: process.arch === "arm64" ? "NEON" : "portable code",
};

/** Opens the native CPU device. Throws a UserError that says what was tried where the addon cannot be had. */
export async function openCpu(options: CpuOptions = {}): Promise<Device> {
  const isa = options.isa ?? process.env.FLYBRICK_ISA ?? "";
  if (isa !== "" && !(isa in instructionSets)) {
    throw new UserError(
      `FLYBRICK_ISA is ${JSON.stringify(isa)}; choose one of ${Object.keys(instructionSets).join(", ")}`,
    );
  }
  const convolution = requireConvolution(options.convolution);
  const addon = loadAddon();
  const device = addon.open(options.threads ?? 0, isa);
  const { instructionSet, threads, table } = addon.info(device);
  if (table !== tableHash) {
    throw new UserError(
      "the CPU device's addon was built from another version of the sources; run npm run build",
    );
  }
  const processor = (cpus()[0]?.model ?? "unknown processor").trim();
  const handleOf = (buffer: DeviceBuffer): Handle => (buffer as CpuBuffer).handle;
  return {
    name: "cpu",
    description: `${processor}, ${instructionSets[instructionSet]}, ${threads} thread${threads === 1 ? "" : "s"}${convolution === "auto" ? "" : `, ${convolution} convolutions`}`,
    traits: { channelsLast: true },
    learners: cpuLearners(addon, device, threads),
    allocate(bytes): CpuBuffer {
      return { byteLength: bytes, handle: addon.allocate(device, bytes) };
    },
    free(buffer) {
      addon.free(handleOf(buffer));
    },
    write(buffer, byteOffset, bytes) {
      addon.write(handleOf(buffer), byteOffset, bytes);
    },
    read(buffer, byteOffset, byteLength) {
      return addon.read(handleOf(buffer), byteOffset, byteLength);
    },
    prepare(plan: Plan): CpuPrepared {
      return { plan, handle: addon.prepare(device, encode(plan, convolution)) };
    },
    prepareInPieces(plan, cuts): CpuPrepared[] {
      return encodePieces(plan, cuts, convolution).map((words) => ({
        plan,
        handle: addon.prepare(device, words),
      }));
    },
    address: (buffer) => addon.address(handleOf(buffer)),
    run(prepared, bindings, scalars) {
      const buffers = bindings.map(({ buffer }) => handleOf(buffer));
      const offsets = Float64Array.from(bindings, ({ byteOffset }) => byteOffset);
      return addon.run((prepared as CpuPrepared).handle, buffers, offsets, Float64Array.from(scalars));
    },
  };
}
