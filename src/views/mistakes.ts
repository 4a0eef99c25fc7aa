import { Drawing, type ViewOptions, viewWidth } from "./drawing.js";
import { percent } from "./percent.js";
import { type Pixels, photograph } from "./pixels.js";
import { englishWords } from "./words.js";

/** A test image that was taken for something else. */
export interface Mistake {
  readonly pixels: Pixels;
  readonly truth: string;
  readonly predicted: string;
  /** Softmax share of the wrong class. */
  readonly confidence: number;
}

const columns = 4;
const pitch = { x: 106, y: 154 };
const size = 88;

/** Mistakes as images, four beside each other, in the order given: below each what it was taken for, and what it is. */
export function mistakesSvg(mistakes: readonly Mistake[], options: ViewOptions = {}): string {
  const rows = Math.max(1, Math.ceil(mistakes.length / columns));
  const { words = englishWords } = options;
  const description = mistakes
    .map(({ truth, predicted, confidence }) => `${words.takenFor(truth, predicted)}, ${percent(confidence)}`)
    .join("; ");
  const drawing = new Drawing(viewWidth, rows * pitch.y, words.mistakes, description, options);
  const { quiet, orange } = drawing.theme;
  mistakes.forEach(({ pixels, truth, predicted, confidence }, k) => {
    const x = (viewWidth - columns * pitch.x) / 2 + (k % columns) * pitch.x + (pitch.x - size) / 2;
    const y = 8 + Math.floor(k / columns) * pitch.y;
    drawing.picture(photograph(pixels), x, y, size, size, words.takenFor(truth, predicted));
    [
      { text: predicted, fill: orange, weight: 600 },
      { text: words.sure(confidence), fill: quiet, weight: 400 },
      { text: words.isReally(truth), fill: quiet, weight: 400 },
    ].forEach(({ text, fill, weight }, line) => {
      drawing.text(x, y + size + 16 + 15 * line, text, { "font-size": 12, "font-weight": weight, fill });
    });
  });
  if (mistakes.length === 0) drawing.text(16, 32, words.noMistakes, { fill: quiet });
  return drawing.toString();
}
