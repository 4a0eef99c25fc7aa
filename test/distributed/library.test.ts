import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { hashBytes } from "../../src/core/hash.js";
import { launcherOf } from "../../src/distributed/launcher.js";
import { MpiLibrary } from "../../src/distributed/mpi_library.js";
import { Ranks } from "../../src/train/ranks.js";
import { bin } from "../support/mpi.js";

test("the launcher is known by what it leaves in the environment", () => {
  expect(launcherOf({})).toBeNull();
  // Within a job of Slurm's, mpirun is a step of one task a host.
  expect(launcherOf({ OMPI_COMM_WORLD_SIZE: "4", SLURM_STEP_NUM_TASKS: "2" })).toMatchObject({
    size: 4,
    library: "openmpi",
  });
  expect(launcherOf({ PMI_SIZE: "3" })).toMatchObject({ size: 3, library: "mpich" });
  expect(launcherOf({ SLURM_STEP_NUM_TASKS: "8" })).toEqual({ name: "Slurm's srun", size: 8, library: null });
  expect(launcherOf({ SLURM_STEP_NUM_TASKS: "1" })).toBeNull();
});

test("where no library can be loaded, the packages to install are named", () => {
  const koffi = {
    load: (file: string) => {
      throw new Error(`Failed to load shared library: ${file}: no such file\nand more`);
    },
  } as never;
  expect(() => MpiLibrary.load(koffi, ["openmpi", "mpich"])).toThrow(
    "Open MPI and MPICH cannot be loaded (Failed to load shared library: libmpi.so.40: no such file; Failed to load shared library: libmpi.so: no such file; Failed to load shared library: libmpich.so.12: no such file; Failed to load shared library: libmpi.so.12: no such file): install Open MPI by apt-get install openmpi-bin libopenmpi-dev, or MPICH by apt-get install mpich",
  );
});

test("a library that calls itself otherwise is passed over", () => {
  const version = "Another MPI 7.0";
  const koffi = {
    load: () => ({
      func: () => (text: Uint8Array, length: Int32Array) => {
        length[0] = new TextEncoder().encodeInto(version, text).written;
        return 0;
      },
    }),
  } as never;
  expect(() => MpiLibrary.load(koffi, ["openmpi"])).toThrow("libmpi.so.40 is Another MPI 7.0");
});

test("without the package koffi the error says what to install", async () => {
  const hooks = `export const resolve = (name, context, next) => {
    if (name === "koffi") throw new Error("Cannot find package 'koffi'");
    return next(name, context);
  };`;
  const hide = `import { register } from "node:module";
    register("data:text/javascript," + ${JSON.stringify(encodeURIComponent(hooks))});`;
  const args = ["--import", `data:text/javascript,${encodeURIComponent(hide)}`, bin, "train", "lenet"];
  const failed = promisify(execFile)(process.execPath, [...args, "--distributed", "mpi"]);
  await expect(failed).rejects.toMatchObject({
    stderr:
      "flybrick: MPI is called through the optional package koffi, which cannot be loaded here (Cannot find package 'koffi'): run `npm install koffi`\n",
  });
});

test("parts follow each other and leave nothing out, also where there are fewer examples than ranks", () => {
  for (const [count, size] of [
    [10, 4],
    [2, 4],
    [7, 7],
    [128, 3],
  ] as const) {
    const parts = Array.from({ length: size }, (_, rank) => new Ranks({ rank, size } as never).part(count));
    expect(parts[0]!.first).toBe(0);
    expect(parts.at(-1)!.end).toBe(count);
    for (const [k, { first, end }] of parts.entries()) {
      expect(first).toBe(parts[k - 1]?.end ?? 0);
      expect(end - first).toBeGreaterThanOrEqual(Math.floor(count / size));
      expect(end - first).toBeLessThanOrEqual(Math.ceil(count / size));
    }
  }
  expect(new Ranks().part(5)).toEqual({ first: 0, end: 5 });
});

test("what rank 0 shares arrives as it was, numbers that JSON does not know included", async () => {
  const sent: Uint8Array[] = [];
  const group = (rank: number) =>
    ({
      rank,
      size: 2,
      broadcast: async (bytes: Uint8Array | null) => {
        if (bytes) sent.push(bytes);
        return sent[0];
      },
    }) as never;
  const value = { a: [Number.NaN, Number.POSITIVE_INFINITY, -0.5], b: null, c: { number: 3 }, d: "NaN" };
  expect(await new Ranks(group(0)).share(async () => value)).toEqual(value);
  const elsewhere = new Ranks(group(1));
  expect(await elsewhere.share<unknown>(() => Promise.reject(new Error("only rank 0 is asked")))).toEqual(
    value,
  );
});

test("a hash tells bytes apart, wherever they lie", () => {
  const bytes = Uint8Array.from({ length: 1003 }, (_, i) => i * 7);
  const moved = new Uint8Array(1004);
  moved.set(bytes, 1);
  expect(hashBytes(moved.subarray(1))).toBe(hashBytes(bytes));
  for (const at of [0, 500, 1002]) {
    const other = bytes.slice();
    other[at]! ^= 1;
    expect(hashBytes(other)).not.toBe(hashBytes(bytes));
  }
});
