import { inflateSync } from "node:zlib";
import { DOMParser } from "linkedom";
import { describe, expect, it } from "vitest";
import { imagesSvg } from "../../src/views/images.js";

const drawing = (svg: string) => new DOMParser().parseFromString(svg, "image/svg+xml");

/** Size, colour type and the lines of a PNG, each with its filter byte, read with Node's own zlib. */
function decoded(href: string) {
  const bytes = Buffer.from(href.replace("data:image/png;base64,", ""), "base64");
  expect(bytes.subarray(1, 4).toString()).toBe("PNG");
  const at = bytes.indexOf("IDAT");
  const pixels = inflateSync(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4)));
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), type: bytes[25], pixels };
}

describe("imagesSvg", () => {
  it("holds every pixel of grey images, row by row", () => {
    const svg = imagesSvg([0, 0.2, 0.4, 0.6, 0.8, 1, -1, 2, Number.NaN, 0, 0, 0], [2, 1, 2, 3]);
    const images = [...drawing(svg).querySelectorAll("image")];
    const [first, second] = images.map((image) => decoded(image.getAttribute("href")!));
    expect([first!.width, first!.height, first!.type]).toEqual([3, 2, 0]);
    expect([...first!.pixels]).toEqual([0, 0, 51, 102, 0, 153, 204, 255]);
    expect([...second!.pixels]).toEqual([0, 0, 255, 0, 0, 0, 0, 0]);
  });

  it("puts the planes of colour images together", () => {
    const svg = imagesSvg([1, 0, 0, 1, 0, 0.2], [1, 3, 1, 2]);
    const { type, pixels } = decoded(drawing(svg).querySelector("image")!.getAttribute("href")!);
    expect(type).toBe(2);
    expect([...pixels]).toEqual([0, 255, 0, 0, 0, 255, 51]);
  });

  it("draws images larger than a block of zlib's, and signs its chunks as the format says", () => {
    const svg = imagesSvg(new Float32Array(300 * 300).fill(1), [1, 1, 300, 300]);
    const href = drawing(svg).querySelector("image")!.getAttribute("href")!;
    expect(decoded(href).pixels.filter((byte) => byte === 255)).toHaveLength(90_000);
    // The last chunk of every PNG is the same twelve bytes.
    expect(Buffer.from(href.split(",")[1]!, "base64").subarray(-12).toString("hex")).toBe(
      "0000000049454e44ae426082",
    );
  });

  it("sets images in rows, with captions as text, never as markup", () => {
    const svg = imagesSvg(new Float32Array(12), [3, 1, 2, 2], { columns: 2, captions: ["a", "<b>&", "c"] });
    const rows = new Set([...drawing(svg).querySelectorAll("image")].map((image) => image.getAttribute("y")));
    expect(rows.size).toBe(2);
    expect([...drawing(svg).querySelectorAll("text")].map((text) => text.textContent)).toEqual([
      "a",
      "<b>&",
      "c",
    ]);
  });

  it("names a shape that is no batch of images", () => {
    expect(() => imagesSvg([1, 2], [1, 2])).toThrow("not 2 values of shape [1, 2]");
    expect(() => imagesSvg([1], [1, 1, 2, 2])).toThrow("not 1 values");
  });
});
