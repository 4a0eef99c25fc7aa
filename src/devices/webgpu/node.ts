import { existsSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { UserError } from "../../core/errors.js";

/** Node's WebGPU crashes once the object that made a device is collected: it lives as long as the process. */
const keptAs = Symbol.for("flybrick.gpu");

/**
 * WebGPU in Node, through the optional package `webgpu` (Dawn). Throws a UserError that names all that is missing:
 * the package, Vulkan's loader, a driver. Looks for the latter first, since Dawn complains to the terminal.
 */
export async function nodeGpu(): Promise<GPU> {
  const held = globalThis as { [keptAs]?: GPU };
  if (held[keptAs]) return held[keptAs];
  const missing = [...missingPackage(), ...(process.platform === "linux" ? missingVulkan() : [])];
  if (missing.length > 0) throw new UserError(`WebGPU needs ${missing.join(", and ")}`);
  let dawn: typeof import("webgpu");
  try {
    dawn = await import("webgpu");
  } catch (error) {
    throw new UserError(`the package webgpu cannot be loaded: ${(error as Error).message}`);
  }
  held[keptAs] = dawn.create([]);
  return held[keptAs];
}

/** Looks without loading it, which takes a tenth of a second. */
function missingPackage(): string[] {
  try {
    createRequire(import.meta.url).resolve("webgpu");
    return [];
  } catch {
    return ["the package webgpu (npm install webgpu)"];
  }
}

/** What Linux lacks to reach a GPU through Vulkan. */
function missingVulkan(): string[] {
  const missing: string[] = [];
  const libraries = [
    ...(process.env.LD_LIBRARY_PATH ?? "").split(delimiter).filter((path) => path !== ""),
    ...["/usr/lib", "/lib", "/usr/local/lib"].flatMap((root) => [
      root,
      `${root}64`,
      `${root}/x86_64-linux-gnu`,
      `${root}/aarch64-linux-gnu`,
    ]),
  ];
  if (!libraries.some((path) => existsSync(join(path, "libvulkan.so.1"))))
    missing.push("Vulkan's loader, libvulkan.so.1 (Debian and Ubuntu: apt install libvulkan1)");
  const variable = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].find((name) => process.env[name] !== undefined);
  const named = variable && process.env[variable];
  const shared = process.env.XDG_DATA_DIRS ?? "/usr/local/share:/usr/share";
  const places = named
    ? named.split(delimiter)
    : [...shared.split(delimiter), "/etc", join(homedir(), ".local/share")].flatMap((root) =>
        manifests(join(root, "vulkan/icd.d")),
      );
  if (!places.some((path) => existsSync(path)))
    missing.push(
      named
        ? `a Vulkan driver for the GPU: ${variable} names ${named}, and there is no such file`
        : "a Vulkan driver for the GPU (Debian and Ubuntu: apt install mesa-vulkan-drivers, or NVIDIA's own)",
    );
  return missing;
}

function manifests(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith(".json"))
    .map((name) => join(directory, name));
}
