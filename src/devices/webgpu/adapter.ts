import { UserError } from "../../core/errors.js";
import { openWebgpu, type WebgpuDevice, type WebgpuOptions, wantedLimits } from "./webgpu.js";

/** The fastest adapter of `gpu`. Throws a UserError where there is none. */
export async function requestAdapter(gpu: GPU): Promise<GPUAdapter> {
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter)
    throw new UserError("WebGPU found no adapter: no GPU, or no driver for it that WebGPU accepts");
  return adapter;
}

/** A device on `adapter` with all the memory that it offers. */
export async function openAdapter(adapter: GPUAdapter, options: WebgpuOptions = {}): Promise<WebgpuDevice> {
  const requiredLimits = Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]]));
  return openWebgpu(await adapter.requestDevice({ requiredLimits }), options);
}

/** An adapter's limits that matter here, and its features, as lines for people. */
export function detailsOf({ limits, features }: GPUAdapter): string[] {
  const names = [
    ...wantedLimits,
    "maxComputeInvocationsPerWorkgroup",
    "maxComputeWorkgroupsPerDimension",
  ] as const;
  return [
    `limits: ${names.map((name) => `${name} ${limits[name]}`).join(", ")}`,
    `features: ${[...features].sort().join(", ") || "none"}`,
  ];
}
