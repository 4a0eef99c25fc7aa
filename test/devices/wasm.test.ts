import { execFile, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, constant, input } from "../../src/core/expression.js";
import type { Plan } from "../../src/core/plan.js";
import { openDevice } from "../../src/devices/open.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));

/** A plan that adds one to `elements` floats of its first buffer, with an arena of so many bytes. */
function addOne(elements: number, arenaBytes = 0): Plan {
  const here = {
    kind: "value",
    value: 0,
    dtype: "f32",
    shape: [elements],
    strides: [1],
    offset: 0,
  } as const;
  const x = input(0, "f32");
  return {
    steps: [
      {
        kernel: { kind: "pointwise" },
        shape: [elements],
        inputs: [],
        pre: null,
        extras: [here],
        outputs: [{ target: here, expr: call("add", x, constant(1, "f32")) }],
      },
    ],
    values: [{ dtype: "f32", buffer: 1, byteOffset: 0, elements }],
    bindings: 1,
    scalars: [],
    arenaBytes,
  };
}

describe("device wasm", () => {
  it("keeps the order of writes, runs and reads, on three threads too", async () => {
    const device = await openDevice("wasm", { threads: 3 });
    const count = 1 << 20;
    const buffer = device.allocate(count * 4);
    const prepared = device.prepare(addOne(count));
    const binding = [{ buffer, byteOffset: 0 }];
    for (let i = 0; i < 100; i++) void device.run(prepared, binding, []);
    const host = new Uint8Array(new Float32Array([50]).buffer);
    device.write(buffer, 0, host);
    host.fill(0);
    void device.run(prepared, binding, []);
    const values = new Float32Array((await device.read(buffer, 0, count * 4)).buffer);
    expect(values[0]).toBe(51);
    expect(values.every((value, i) => i === 0 || value === 101)).toBe(true);
    device.free(buffer);
    expect(() => device.write(buffer, 0, host)).toThrow(/freed/);
  });

  it("gives freed memory back: more goes through it than it has", async () => {
    const device = await openDevice("wasm", { threads: 1 });
    const bytes = 256 << 20;
    for (let i = 1; i <= 20; i++) {
      const buffer = device.allocate(bytes);
      device.write(buffer, bytes - 1, Uint8Array.of(i));
      const read = device.read(buffer, bytes - 2, 2);
      device.free(buffer);
      expect([...(await read)]).toEqual([0, i]);
    }
  });

  it("names sizes and reasons in its errors, and goes on", async () => {
    const device = await openDevice("wasm", { threads: 2 });
    expect(() => device.allocate(2 ** 33)).toThrow(/8589934592 bytes: WebAssembly has 4 GiB/);
    const buffer = device.allocate(8);
    await expect(device.read(buffer, 4, 8)).rejects.toThrow(/8 bytes at 4 are outside a buffer of 8 bytes/);
    const binding = [{ buffer, byteOffset: 0 }];
    const large = device.prepare(addOne(2, 2 ** 32 - 2 ** 20));
    await expect(device.run(large, binding, [])).rejects.toThrow(
      /no memory for a plan's intermediate results: 4293918720 bytes/,
    );
    await device.run(device.prepare(addOne(2)), binding, []);
    expect([...new Float32Array((await device.read(buffer, 0, 8)).buffer)]).toEqual([1, 1]);
    expect(device.description).toBe("WebAssembly, 2 threads");
  });

  it("lets a process with several devices end", { timeout: 60_000 }, () => {
    const open = new URL("../../src/devices/open.ts", import.meta.url).href;
    const program = `const { openDevice } = await import(${JSON.stringify(open)}); await openDevice("wasm"); await openDevice("wasm");`;
    const args = ["--import", "tsx", "--input-type=module", "-e", program];
    expect(spawnSync(process.execPath, args).status).toBe(0);
  });
});

describe("a package without the addon", () => {
  const work = mkdtempSync(join(tmpdir(), "flybrick-no-addon-"));
  const flybrick = (...args: string[]) => run(process.execPath, [join(work, "bin", "flybrick.js"), ...args]);
  beforeAll(() => {
    for (const name of ["bin", "dist", "samples", "wasm", "package.json"])
      cpSync(join(root, name), join(work, name), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(work, "node_modules"));
  });
  afterAll(() => rmSync(work, { recursive: true, force: true }));

  it("trains on WebAssembly and says why", async () => {
    const { stdout } = await flybrick("devices");
    expect(stdout).toMatch(/^x cpu .*could not be loaded/m);
    expect(stdout).toMatch(/^\* wasm +WebAssembly, \d+ thread/m);
    const out = join(work, "run");
    const trained = await flybrick("train", "lenet", "--sample", "--epochs", "1", "--out", out);
    expect(trained.stdout).toMatch(
      /^device: wasm, WebAssembly.*\nThe device "wasm" stands in, since the CPU device's addon could not be loaded/m,
    );
    expect(trained.stdout).toMatch(/^Done/m);
  });

  it("falls back to the reference device without WebAssembly, and names both reasons", async () => {
    rmSync(join(work, "wasm"), { recursive: true });
    const { stdout } = await flybrick("devices");
    expect(stdout).toMatch(/^x cpu /m);
    expect(stdout).toMatch(/^x wasm .*flybrick\.wasm, which is not there/m);
    expect(stdout).toMatch(/^\* reference /m);
  });
});
