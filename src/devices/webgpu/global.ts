/** The WebGPU of a browser or worker (or of a runtime that has one); null elsewhere. */
export function globalGpu(): GPU | null {
  return (globalThis as { navigator?: { gpu?: GPU } }).navigator?.gpu ?? null;
}
