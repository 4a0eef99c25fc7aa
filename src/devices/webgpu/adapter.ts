import { UserError } from "../../core/errors.js";
import { type ConvolutionAlgorithm, requireConvolution } from "../device.js";
import { measurerOf, type TuningStore, tunedVariants } from "./tuning.js";
import { type ChosenVariants, pinnedVariants, usualVariants, type VariantOption } from "./variants.js";
import { isSoftware, openWebgpu, type WebgpuDevice, type WebgpuOptions, wantedLimits } from "./webgpu.js";

/** The fastest adapter of `gpu`. Throws a UserError where there is none. */
export async function requestAdapter(gpu: GPU): Promise<GPUAdapter> {
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter)
    throw new UserError("WebGPU found no adapter: no GPU, or no driver for it that WebGPU accepts");
  return adapter;
}

/** A device on `adapter` with all the memory that it offers. */
export async function openAdapter(adapter: GPUAdapter, options: WebgpuOptions = {}): Promise<WebgpuDevice> {
  return openWebgpu(await requestDevice(adapter), options);
}

function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits = Object.fromEntries(wantedLimits.map((name) => [name, adapter.limits[name]]));
  const requiredFeatures = wantedFeatures.filter((name) => adapter.features.has(name));
  return adapter.requestDevice({ requiredLimits, requiredFeatures });
}

const wantedFeatures = ["subgroups"] as const;

/** Whether kernels may use subgroups: the adapter has them, and WGSL their numbers. */
export function canShuffle(gpu: GPU, adapter: GPUAdapter): boolean {
  return adapter.features.has("subgroups") && gpu.wgslLanguageFeatures.has("subgroup_id");
}

/** What of a device's options decides its kernels. */
export interface KernelOptions {
  readonly variant?: VariantOption | undefined;
  readonly convolution?: ConvolutionAlgorithm | undefined;
}

/**
 * A device with kernels as `variant` says: `auto` takes those that were measured to be fastest, at the first time now (a
 * software adapter has to be measured by `measure`), `measure` measures anew, all else pins them; `convolution` pins
 * that of convolutions. Throws a UserError on a variant that does not exist or that the adapter cannot do.
 */
export async function openTuned(
  gpu: GPU,
  adapter: GPUAdapter,
  store: TuningStore,
  { variant = "auto", convolution }: KernelOptions = {},
): Promise<WebgpuDevice> {
  const algorithm = requireConvolution(convolution);
  const pinned = (variants: ChosenVariants): ChosenVariants =>
    algorithm === "auto" ? variants : { ...variants, convolution: algorithm };
  const hasSubgroups = canShuffle(gpu, adapter);
  if (variant !== "auto" && variant !== "measure") {
    const usual = usualVariants(isSoftware(adapter.info));
    return openAdapter(adapter, { variants: pinned(pinnedVariants(variant, usual, hasSubgroups)) });
  }
  const device = await requestDevice(adapter);
  const variants = await tunedVariants(adapter.info, hasSubgroups, {
    store,
    measure: measurerOf(device),
    say: (text) => console.warn(text),
    isAsked: variant === "measure",
  });
  return openWebgpu(device, { variants: pinned(variants) });
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
