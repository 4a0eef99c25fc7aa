import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Matrix, matrix } from "../../src/classic/index.js";

/** A fixture by name. */
export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url)), "utf8"));
}

interface Set {
  readonly x: number[];
  readonly y: number[];
}

/** make_classic.py's four overlapping classes. */
export function blobs(): { x: Matrix; y: number[]; test: Matrix; truth: number[] } {
  const { train, test } = fixture<{ train: Set; test: Set }>("classic.json");
  return {
    x: matrix(train.x, train.y.length, 6),
    y: train.y,
    test: matrix(test.x, test.y.length, 6),
    truth: test.y,
  };
}
