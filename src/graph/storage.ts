import { byteSize, type DType } from "../core/dtype.js";
import { elementCount, type Shape } from "../core/shape.js";
import type { Device, DeviceBuffer } from "../devices/device.js";

/** Memory of one tensor, dense and row-major. Allocated when first used; the device frees it when nobody holds it. */
export class Storage {
  /** Counts assignments, the recorded ones included once they are queued. */
  version = 0;
  /** Where it was last assigned, for messages. */
  assignedAt: Error | null = null;
  private place: { device: Device; buffer: DeviceBuffer; byteOffset: number } | null = null;

  constructor(
    readonly dtype: DType,
    readonly shape: Shape,
    /** Host bytes to upload at the first use. */
    private host: Uint8Array | null = null,
  ) {}

  get byteLength(): number {
    return elementCount(this.shape) * byteSize(this.dtype);
  }

  get isAllocated(): boolean {
    return this.place !== null;
  }

  /** The memory on `device`, allocated and uploaded if need be. Throws an Error where it lies on another device. */
  on(device: Device): { buffer: DeviceBuffer; byteOffset: number } {
    if (this.place === null) {
      const buffer = device.allocate(Math.max(4, this.byteLength));
      this.put(device, buffer, 0);
    } else if (this.place.device !== device) {
      throw new Error(
        `a tensor of shape [${this.shape.join(", ")}] lies on device ${this.place.device.name}, but the device in use is ${device.name}; choose one device with useDevice() before making tensors`,
      );
    }
    return this.place!;
  }

  /** Gives it a part of a larger buffer, which stays alive with it. */
  put(device: Device, buffer: DeviceBuffer, byteOffset: number): void {
    this.place = { device, buffer, byteOffset };
    if (this.host) {
      device.write(buffer, byteOffset, this.host);
      this.host = null;
    }
  }

  /** Overwrites the value from the host, after the work queued so far. */
  write(device: Device, bytes: Uint8Array): void {
    const { buffer, byteOffset } = this.on(device);
    device.write(buffer, byteOffset, bytes);
  }

  /** A copy of the bytes, after the work queued so far. */
  read(device: Device): Promise<Uint8Array> {
    const { buffer, byteOffset } = this.on(device);
    return device.read(buffer, byteOffset, this.byteLength);
  }
}
