import type { Picture } from "./looks.js";
import type { Strings } from "./strings.js";

/** The library's drawings, loaded with the first panel that needs them. */
export const loadViews = () => import("flybrick/views");
export type Views = Awaited<ReturnType<typeof loadViews>>;

/** In the page's colours and language. */
export function optionsOf({ pageTheme }: Views, { viewWords: words }: Strings) {
  return { theme: pageTheme, words };
}

/** Puts a drawing in its place. Names in it are escaped, and the page's policy runs no script from it. */
export function showDrawing(place: HTMLElement, svg: string): void {
  const template = document.createElement("template");
  template.innerHTML = svg;
  const drawing = template.content.firstElementChild!;
  // To those who do not see it the whole is one image; its groups have names of the chart library's.
  for (const part of drawing.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  // The page's style gives it the width of its place.
  drawing.removeAttribute("width");
  drawing.removeAttribute("height");
  place.replaceChildren(drawing);
}

/** Paints a picture in grey on a canvas of its size. */
export function paint(canvas: HTMLCanvasElement, { data, width, height }: Picture): void {
  const pixels = new ImageData(width, height);
  for (let i = 0; i < data.length; i++) {
    pixels.data.fill(data[i]!, 4 * i, 4 * i + 3);
    pixels.data[4 * i + 3] = 255;
  }
  Object.assign(canvas, { width, height });
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
}
