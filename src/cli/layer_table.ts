import type { Sequential } from "../nn/index.js";
import { alignedLines } from "./table.js";

/** Whole numbers with separators: 46,764,746. */
export function grouped(value: number): string {
  return value.toLocaleString("en-US");
}

/** 1.4 KB, 37.7 MB: decimal units. */
export function bytesText(bytes: number): string {
  const units = ["B", "KB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** The shape table of a network for a batch, as aligned text. */
export function layerTable(net: Sequential, batch: number): string {
  const rows = net.layers(batch);
  const total = { parameters: 0, multiplyAdds: 0, outputBytes: 0 };
  const cells = rows.map((row) => {
    total.parameters += row.parameters;
    total.multiplyAdds += row.multiplyAdds;
    total.outputBytes += row.outputBytes;
    return [
      row.layer,
      `[${row.outputShape.join(", ")}]`,
      grouped(row.parameters),
      grouped(row.multiplyAdds),
      bytesText(row.outputBytes),
    ];
  });
  const header = ["layer", "output shape", "parameters", "multiply-adds", "output"];
  const footer = [
    "in all",
    "",
    grouped(total.parameters),
    grouped(total.multiplyAdds),
    bytesText(total.outputBytes),
  ];
  const [head, ...lines] = alignedLines([header, ...cells, footer], 2);
  const rule = "-".repeat(Math.max(head!.length, ...lines.map((line) => line.length)));
  return [head, rule, ...lines.slice(0, -1), rule, lines.at(-1)].join("\n");
}
