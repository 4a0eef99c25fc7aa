import { openAdapter, requestAdapter } from "../../src/devices/webgpu/adapter.js";
import { nodeGpu } from "../../src/devices/webgpu/node.js";
import {
  type ConvolutionVariantName,
  pinnedVariants,
  usualVariants,
  type VariantName,
} from "../../src/devices/webgpu/variants.js";
import type { WebgpuDevice, WebgpuOptions } from "../../src/devices/webgpu/webgpu.js";
import { useSwiftShader } from "./test_devices.js";

useSwiftShader();

/** WebGPU's adapter here; null where there is none, unless CI requires it. */
export const adapter = await nodeGpu()
  .then(requestAdapter)
  .catch((error: Error) => {
    if (process.env.FLYBRICK_REQUIRE_DEVICES) throw error;
    console.warn(`not tested: ${error.message}`);
    return null;
  });

/** A device of its own on the adapter; `options` make it smaller or pin how it computes. */
export async function openGpu({
  variant,
  convolution = "direct",
  ...options
}: WebgpuOptions & {
  variant?: VariantName;
  convolution?: ConvolutionVariantName;
} = {}): Promise<WebgpuDevice> {
  const usual = usualVariants(true);
  const variants = { ...(variant ? pinnedVariants(variant, usual, true) : usual), convolution };
  return openAdapter(await requestAdapter(await nodeGpu()), { variants, ...options });
}
