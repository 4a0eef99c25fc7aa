import { paint } from "./drawings.js";
import type { Picture } from "./looks.js";

const usualSize = 28;

/** A canvas to draw on, light on dark, by pointer or by keyboard. */
export class Pad {
  private picture: Picture = blank(usualSize, usualSize);
  isErasing = false;
  /** Of the pen, in pixels of a picture of 28. */
  width = 3;
  private isEmptyPicture = true;
  /** Where the keyboard's pen is, in shares of the sides. */
  private pen: readonly [number, number] = [0.5, 0.5];
  private isShown = false;
  private last: readonly [number, number] | undefined;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly onChange: () => void,
  ) {
    canvas.tabIndex = 0;
    canvas.role = "application";
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.last = this.placeOf(event);
      this.stroke(this.last, this.last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.last) return;
      const place = this.placeOf(event);
      this.stroke(this.last, place);
      this.last = place;
    });
    for (const name of ["pointerup", "pointercancel"] as const)
      canvas.addEventListener(name, () => {
        this.last = undefined;
      });
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => {
      this.isShown = canvas.matches(":focus-visible");
      this.draw();
    });
    canvas.addEventListener("blur", () => {
      this.isShown = false;
      this.draw();
    });
    this.draw();
  }

  get shown(): Picture {
    return this.picture;
  }

  get isEmpty(): boolean {
    return this.isEmptyPicture;
  }

  put(picture: Picture): void {
    this.picture = { ...picture, data: picture.data.slice() };
    this.isEmptyPicture = false;
    this.changed();
  }

  clear(): void {
    this.picture = blank(usualSize, usualSize);
    this.isEmptyPicture = true;
    this.changed();
  }

  private changed(): void {
    this.draw();
    this.onChange();
  }

  private placeOf(event: PointerEvent): readonly [number, number] {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  private key(event: KeyboardEvent): void {
    const moves: Readonly<Record<string, readonly [number, number]>> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    };
    const move = moves[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    this.isShown = true;
    const before = this.pen;
    const within = (value: number): number => Math.min(1, Math.max(0, value));
    if (move) this.pen = [within(before[0] + move[0] / usualSize), within(before[1] + move[1] / usualSize)];
    if (!move || event.shiftKey) this.stroke(before, this.pen);
    else this.draw();
  }

  /** Draws a line with round ends and soft edges, in shares of the sides. */
  private stroke(from: readonly [number, number], to: readonly [number, number]): void {
    const { data, width, height } = this.picture;
    const radius = (this.width * Math.max(width, height)) / usualSize / 2;
    const [x0, y0, x1, y1] = [from[0] * width, from[1] * height, to[0] * width, to[1] * height];
    const long = (x1 - x0) ** 2 + (y1 - y0) ** 2;
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const [px, py] = [x + 0.5, y + 0.5];
        const along = long === 0 ? 0 : ((px - x0) * (x1 - x0) + (py - y0) * (y1 - y0)) / long;
        const t = Math.min(1, Math.max(0, along));
        const distance = Math.hypot(px - x0 - t * (x1 - x0), py - y0 - t * (y1 - y0));
        const cover = Math.min(1, Math.max(0, radius + 0.5 - distance));
        const at = y * width + x;
        if (this.isErasing) data[at] = Math.min(data[at]!, Math.round(255 * (1 - cover)));
        else data[at] = Math.max(data[at]!, Math.round(255 * cover));
      }
    this.isEmptyPicture = data.every((value) => value === 0);
    this.changed();
  }

  private draw(): void {
    const { canvas, picture, pen } = this;
    paint(canvas, picture);
    if (!this.isShown) return;
    const { width, height } = picture;
    const context = canvas.getContext("2d")!;
    context.strokeStyle = "#f2914a";
    context.lineWidth = Math.max(0.5, width / 56);
    context.beginPath();
    context.arc(pen[0] * width, pen[1] * height, (this.width * width) / usualSize / 2 + 0.5, 0, 2 * Math.PI);
    context.stroke();
  }
}

function blank(width: number, height: number): Picture {
  return { data: new Uint8ClampedArray(width * height), width, height };
}
