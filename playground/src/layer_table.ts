import type { Sequential } from "flybrick/nn";
import { grouped, html } from "./dom.js";
import type { Strings } from "./strings.js";

/** A number with a bar below it: its share of the column's largest. */
function barCell(text: string, share: number): HTMLTableCellElement {
  const bar = html("span", { class: "bar", "aria-hidden": "true" });
  bar.style.width = `${(100 * share).toFixed(2)}%`;
  return html("td", { class: "number" }, text, bar);
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(bytes < 1e5 ? 3 : 2);

/** The network's layers for a batch: output shapes, parameters, multiply-adds and megabytes. */
export function layerTable(net: Sequential, batch: number, strings: Strings): HTMLTableElement {
  const columns = [
    { title: strings.parameters, of: "parameters", show: grouped },
    { title: strings.multiplyAdds, of: "multiplyAdds", show: grouped },
    { title: strings.megabytes, of: "outputBytes", show: megabytes },
  ] as const;
  const rows = net.layers(batch);
  const most = columns.map(({ of }) => Math.max(1, ...rows.map((row) => row[of])));
  const head = [strings.layer, strings.output, ...columns.map(({ title }) => title)];
  const body = rows.map(({ layer, outputShape, ...row }) =>
    html(
      "tr",
      {},
      html("th", { scope: "row" }, layer),
      html("td", { class: "shape" }, outputShape.slice(1).join(" × ")),
      ...columns.map(({ of, show }, k) => barCell(show(row[of]), row[of] / most[k]!)),
    ),
  );
  const totals = columns.map(({ of, show }) =>
    html("td", { class: "number" }, show(rows.reduce((sum, row) => sum + row[of], 0))),
  );
  return html(
    "table",
    {},
    html("caption", { class: "quiet" }, strings.forBatch(batch)),
    html("thead", {}, html("tr", {}, ...head.map((title) => html("th", { scope: "col" }, title)))),
    html("tbody", {}, ...body),
    html("tfoot", {}, html("tr", {}, html("th", { scope: "row" }, strings.total), html("td"), ...totals)),
  );
}
