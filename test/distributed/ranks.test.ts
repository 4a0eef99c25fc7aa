import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Implementation, implementations, mpirun, start } from "../support/mpi.js";

const program = fileURLToPath(new URL("../support/rank.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "flybrick-ranks-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

interface Outcome {
  readonly losses: number[];
  readonly weights: number[];
  readonly figures: number[];
  readonly exchange?: { readonly buckets: number; readonly steps: number };
}

let count = 0;

async function run(options: object, ranks?: [Implementation, number]): Promise<Outcome> {
  const out = join(work, `${++count}.json`);
  const [library, n] = ranks ?? [];
  const words = [process.execPath, program, JSON.stringify({ out, library, ...options })];
  const { code, stderr } = await (library ? mpirun(library, n!, ...words) : start(words[0]!, words.slice(1)))
    .ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(readFileSync(out, "utf8"));
}

function furthest(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return a.reduce((worst, value, k) => Math.max(worst, Math.abs(value - b[k]!)), 0);
}

let alone: Outcome;
beforeAll(async () => {
  alone = await run({});
}, 120_000);

describe.each(implementations)("ranks under %s", { timeout: 240_000 }, (library) => {
  test("two and four train as one does: crops, dropout, mixup, clipping and averages included", async () => {
    expect(alone.losses.length).toBe(20);
    expect(new Set(alone.losses).size).toBe(20);
    for (const [n, bucketBytes] of [
      [2, 1],
      [4, 4 << 20],
    ] as const) {
      const ranks = await run({ bucketBytes }, [library, n]);
      expect(furthest(ranks.losses, alone.losses)).toBeLessThan(1e-5);
      expect(furthest(ranks.weights, alone.weights)).toBeLessThan(1e-5);
      expect(furthest(ranks.figures, alone.figures)).toBeLessThan(1e-5);
      expect(ranks.exchange).toMatchObject({ steps: 20, buckets: n === 2 ? 8 : 1 });
    }
  });

  test("a rank that fails ends all, each with its reason", async () => {
    const options = { library, out: join(work, "never"), failing: 1 };
    const { code, stderr } = await mpirun(library, 3, process.execPath, program, JSON.stringify(options))
      .ended;
    expect(code).not.toBe(0);
    expect(stderr).toContain("rank 1 of 3: RangeError: the seventh step is too much");
    for (const rank of [0, 2])
      expect(stderr).toContain(
        `rank ${rank} of 3: UserError: rank 1 has stopped: the seventh step is too much`,
      );
  });
});

describe.each(implementations.slice(0, 1))("ranks, whatever the library", { timeout: 240_000 }, (library) => {
  test("the same number of ranks gives the same bits, with micro-batches too one's result", async () => {
    const options = { bucketBytes: 1000, microBatchSize: 7 };
    const [first, second] = [await run(options, [library, 3]), await run(options, [library, 3])];
    expect(second.losses).toEqual(first.losses);
    expect(furthest(second.weights, first.weights)).toBe(0);
    expect(furthest(first.weights, alone.weights)).toBeLessThan(1e-5);
  });

  test("weights that drift apart are noticed at the epoch's end", async () => {
    const options = { library, out: join(work, "never"), drifting: 1 };
    const { code, stderr } = await mpirun(library, 2, process.execPath, program, JSON.stringify(options))
      .ended;
    expect(code).not.toBe(0);
    expect(stderr).toMatch(
      /rank 0 of 2: UserError: rank 1 of 2 differs from rank 0 in its weights after step 10: /,
    );
  });

  test("ranks with other options are refused", async () => {
    const one = JSON.stringify({ library, out: join(work, "never") });
    const two = JSON.stringify({ library, out: join(work, "never"), batchSize: 49 });
    const words = [process.execPath, program, one, ":", "-n", "1", process.execPath, program, two];
    const { stderr } = await mpirun(library, 1, ...words).ended;
    expect(stderr).toContain(
      "rank 1 of 2 differs from rank 0 in its options, network or data: start all ranks by the same command",
    );
  });
});
