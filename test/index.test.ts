import { expect, test } from "vitest";
import { currentDevice, tryGpu } from "../src/index.js";

test("the best device is the one in use from the start, so that tensors made before asking for it lie on it", async () => {
  const asked = await tryGpu();
  expect(asked === currentDevice()).toBe(true);
  expect(asked === (await tryGpu())).toBe(true);
});
