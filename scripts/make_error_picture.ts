/** Draws docs/shape_error.svg: what `tsc` says, on a terminal, of a network with one wrong number. `npm run picture`. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const source = `import { nn } from "flybrick";

export const alexnet = nn.sequential([1, 224, 224],
  nn.conv2d(1, 96, { kernelSize: 11, stride: 4, padding: 1 }), nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.conv2d(96, 256, { kernelSize: 5, padding: 2 }), nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.conv2d(256, 384, { kernelSize: 3, padding: 1 }), nn.relu(),
  nn.conv2d(384, 384, { kernelSize: 3, padding: 1 }), nn.relu(),
  nn.conv2d(384, 256, { kernelSize: 3, padding: 1 }), nn.relu(),
  nn.maxPool2d({ kernelSize: 3, stride: 2 }),
  nn.flatten(),
  nn.linear(9216, 4096), nn.relu(), nn.dropout({ p: 0.5 }),
  nn.linear(4096, 4096), nn.relu(), nn.dropout({ p: 0.5 }),
  nn.linear(4096, 10));
`;

const root = fileURLToPath(new URL("..", import.meta.url));
const path = `${root}alexnet.ts`;

/** The compiler's own output, colours and all. */
function compile(): string {
  const json = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile).config;
  const { options } = ts.parseJsonConfigFileContent(json, ts.sys, root);
  options.paths = { flybrick: [`${root}src/index.ts`] };
  const host = ts.createCompilerHost(options);
  const { getSourceFile } = host;
  host.getSourceFile = (name, version, ...rest) =>
    name === path ? ts.createSourceFile(name, source, version) : getSourceFile(name, version, ...rest);
  const program = ts.createProgram([path], options, host);
  return ts.formatDiagnosticsWithColorAndContext(
    program.getSemanticDiagnostics(program.getSourceFile(path)),
    {
      getCanonicalFileName: (name) => name,
      getCurrentDirectory: () => root,
      getNewLine: () => "\n",
    },
  );
}

const [columns, charWidth, lineHeight, margin, bar] = [96, 8.43, 21, 20, 34];
const colours: Record<string, string> = {
  "90": "#8b949e",
  "91": "#ff7b72",
  "93": "#e3b341",
  "94": "#79c0ff",
  "96": "#56d4dd",
};

interface Cell {
  readonly text: string;
  readonly colour: string;
  readonly inverse: boolean;
}

/** Cells of each line, wrapped at spaces. */
function cellsOf(output: string): Cell[][] {
  const lines: Cell[][] = [[]];
  let [colour, inverse] = ["#e6edf3", false];
  // An escape sequence, as in "\u001b[91m", begins every part but the first.
  for (const [k, part] of output.split("\u001b[").entries()) {
    const end = k === 0 ? 0 : part.indexOf("m") + 1;
    const code = part.slice(0, Math.max(0, end - 1));
    if (code === "0") [colour, inverse] = ["#e6edf3", false];
    else if (code === "7") inverse = true;
    else colour = colours[code] ?? colour;
    for (const text of part.slice(end)) {
      const line = lines.at(-1)!;
      if (text === "\n") lines.push([]);
      else line.push({ text, colour, inverse });
      if (line.length > columns) lines.push(line.splice(line.findLastIndex((cell) => cell.text === " ") + 1));
    }
  }
  return lines;
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** Runs of equal cells as text, each with a length of its own so that any font lines up. */
function drawLine(cells: Cell[], y: number): string {
  const runs: (Cell & { at: number })[] = [];
  cells.forEach((cell, at) => {
    const last = runs.at(-1);
    if (last && last.colour === cell.colour && last.inverse === cell.inverse)
      runs[runs.length - 1] = { ...last, text: last.text + cell.text };
    else runs.push({ ...cell, at });
  });
  return runs
    .filter(({ text }) => text.trim() !== "")
    .map(({ text, colour, inverse, at }) => {
      const [x, width] = [margin + at * charWidth, text.length * charWidth];
      const back = inverse
        ? `<rect x="${x.toFixed(1)}" y="${y - 15}" width="${width.toFixed(1)}" height="${lineHeight}" fill="${colour}"/>`
        : "";
      return `${back}<text x="${x.toFixed(1)}" y="${y}" textLength="${width.toFixed(1)}" fill="${inverse ? "#0d1117" : colour}" xml:space="preserve">${escaped(text)}</text>`;
    })
    .join("");
}

const lines = cellsOf(`\u001b[90m$\u001b[0m npx tsc\n${compile().trimEnd()}`);
const width = Math.ceil(2 * margin + columns * charWidth);
const height = bar + lines.length * lineHeight + 2 * margin - 6;
const dots = ["#ff5f57", "#febc2e", "#28c840"].map(
  (fill, i) => `<circle cx="${margin + 4 + 20 * i}" cy="20" r="6" fill="${fill}"/>`,
);
const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="tsc reports a wrong number of input features">
<rect width="${width}" height="${height}" rx="10" fill="#0d1117"/>
${dots.join("")}
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">
${lines.map((cells, i) => drawLine(cells, bar + margin + 8 + i * lineHeight)).join("\n")}
</g>
</svg>
`;
writeFileSync(`${root}docs/shape_error.svg`, svg);
