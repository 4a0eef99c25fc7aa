import { DOMParser, parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { kernelsSvg } from "../../src/views/kernels.js";
import { deadSharesSvg } from "../../src/views/layer_health.js";
import { photograph, signed } from "../../src/views/pixels.js";
import { chartsOf, reportPage } from "../../src/views/report_page.js";
import { darkTheme, lightTheme, pageTheme } from "../../src/views/theme.js";
import { epochs, inspection, report } from "./report.js";

const names = (charts: readonly { name: string }[]) => charts.map(({ name }) => name);

describe("the charts of a report", () => {
  const charts = chartsOf(report());
  it("are these, and fewer where there is less to see", () => {
    const all = [
      "loss",
      "accuracy",
      "confusion",
      "mistakes",
      "kernels",
      "gradient-norms",
      "dead-relus",
      "activations",
    ];
    expect(names(charts)).toEqual(all);
    expect(names(chartsOf(report({ inspection: null })))).toEqual(["loss", "accuracy"]);
    const bare = {
      ...inspection,
      kernels: null,
      layers: { gradientNorms: { "1.weight": 1 }, deadShares: {} },
    };
    expect(names(chartsOf(report({ inspection: bare })))).toEqual(
      all.filter((name) => name !== "kernels" && name !== "dead-relus"),
    );
  });

  it.each(charts.map((chart) => [chart.name, chart] as const))("%s is whole, named and plain", (_, chart) => {
    const svg = chart.draw({ title: 'A <b> & "c"' });
    expect(svg).not.toMatch(/NaN|undefined|Infinity|<style| style=|var\(/);
    const root = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement!;
    expect(root.getAttribute("role")).toBe("img");
    expect(svg).toContain('aria-label="A &lt;b&gt; &amp; &quot;c&quot;"');
    expect(root.querySelector("desc")!.textContent!.length).toBeGreaterThan(10);
    expect(root.querySelector("b")).toBeNull();
    expect(chart.draw({})).toBe(chart.draw({}));
    // In a page no colour but that of pixels is fixed, so that dark and light are the page's choice.
    const colours = chart.draw({ theme: pageTheme }).match(/(?:fill|stroke)="#\w+"/g) ?? [];
    expect(colours).toEqual([]);
  });

  it("draw a network's health over epochs where the run recorded it", () => {
    const recorded = chartsOf(report({ epochs: epochs(4, true) }));
    for (const name of ["gradient-norms", "dead-relus"]) {
      const svg = recorded.find((chart) => chart.name === name)!.draw({});
      expect(svg.match(/aria-label="line"/g)).toHaveLength(2);
      expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    }
  });

  it("name every line within the frame, however many end at its edge, and in full", () => {
    const places = Array.from({ length: 20 }, (_, k) => `${k}.shortcut.1 ReLU`);
    for (const [share, text] of [
      [0, "0.0 %"],
      [1, "100.0 %"],
    ] as const) {
      const deadShares = Object.fromEntries(places.map((name) => [name, share]));
      const svg = deadSharesSvg([1, 2].map((epoch) => ({ epoch, gradientNorms: {}, deadShares })));
      const height = Number(/viewBox="0 0 440 (\d+)"/.exec(svg)![1]);
      const labels = [
        ...svg.matchAll(/translate\(([\d.]+),([\d.]+)\)"[^>]*>(\d+\.shortcut\.1 ReLU [\d.]+ %)</g),
      ];
      expect(labels.map((found) => found[3]!).sort()).toEqual(places.map((name) => `${name} ${text}`).sort());
      const rows = labels.map((found) => Number(found[2])).sort((a, b) => a - b);
      expect(rows[0]).toBeGreaterThan(8);
      expect(rows.at(-1)).toBeLessThan(height - 8);
      for (let k = 1; k < rows.length; k++) expect(rows[k]! - rows[k - 1]!).toBeGreaterThan(14);
      // A letter is about seven pixels wide.
      for (const [, x, , label] of labels) expect(Number(x) + 9 + 7 * label!.length).toBeLessThan(440);
    }
  });

  it("tell a stopped run's weights from its last epoch's", () => {
    const note = (changes: Partial<typeof inspection>, planned: number) =>
      chartsOf(report({ planned, inspection: { ...inspection, ...changes } })).find(
        ({ name }) => name === "confusion",
      )!.note;
    const all = { examples: 1000, testCount: 1000 };
    // After the fourth and last epoch 0.755 were right.
    expect(note(all, 10)).toContain(
      "80.0 % of 1,000 test images are right, by the weights as the run saved them last; after epoch 4 it was 75.5 %. A row",
    );
    expect(note({ ...all, accuracy: 0.755 }, 10)).toContain("as the run saved them last. A row");
    expect(note(all, 4)).toContain("test images are right. A row");
    expect(reportPage(report({ planned: 10 }))).toContain("after epoch 4 · the book 0.779");
    expect(reportPage(report({ planned: 4 }))).not.toContain("after epoch 4");
  });

  it("say in words what the confusion matrix shows", () => {
    const svg = charts.find(({ name }) => name === "confusion")!.draw({});
    expect(svg).toContain("pullover: 80.0 % right");
    expect(svg).toContain("<title>trouser taken for t-shirt: 1</title>");
  });
});

describe("a page", () => {
  it("needs nothing from elsewhere, and shows strings as text", () => {
    const evil = '<img src=x onerror="alert(1)">';
    const page = reportPage(report({ title: evil, configuration: { [evil]: evil } }), {
      policy: "default-src 'none'",
    });
    const { document } = parseHTML(page);
    expect(document.querySelector("img, script, iframe, object, base")).toBeNull();
    expect(document.querySelector("h1")!.textContent).toBe(evil);
    expect(document.querySelector("meta[http-equiv]")!.getAttribute("content")).toBe("default-src 'none'");
    const links = [...page.matchAll(/(?:href|src)="([^"]*)"/g)].map((match) => match[1]!);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((link) => !link.startsWith("data:image/"))).toEqual([]);
    expect(page).not.toMatch(/ style=|@import|url\(/);
  });

  it("shows a run of no epochs, and one that went wrong", () => {
    const broken = {
      epoch: 1,
      loss: null as unknown as number,
      trainAccuracy: Number.NaN,
      testAccuracy: 0.1,
    };
    for (const some of [[], [broken]]) {
      const page = reportPage(report({ epochs: some, inspection: null }));
      expect(page).not.toMatch(/NaN|undefined|Infinity/);
      expect(page).toContain("after the first epoch");
    }
  });
});

describe("pixels", () => {
  it("become PNG files, also where all are equal or some are no numbers", () => {
    for (const data of [
      [0, 0, 0, 0],
      [1, 2, 3, 4],
      [Number.NaN, 1, 2, 3],
    ]) {
      const pixels = { data, width: 2, height: 2, channels: 1 } as const;
      for (const uri of [photograph(pixels), signed(pixels, 0)])
        expect(uri).toMatch(/^data:image\/png;base64,iVBORw0KGgo/);
    }
  });

  it("of kernels are drawn in colour where they read colour", () => {
    const weights = Array.from({ length: 4 * 3 * 25 }, (_, k) => Math.cos(k));
    expect(kernelsSvg({ weights, shape: [4, 3, 5, 5] }).match(/<image/g)).toHaveLength(4);
    expect(kernelsSvg({ weights, shape: [100, 1, 1, 3] }).match(/<image/g)).toHaveLength(96);
  });
});

describe("themes", () => {
  it.each([
    ["light", lightTheme],
    ["dark", darkTheme],
  ] as const)("%s text can be read", (_, theme) => {
    for (const colour of [theme.ink, theme.quiet, theme.blue, theme.orange])
      expect(contrast(colour, theme.paper)).toBeGreaterThan(4.5);
  });
});

/** Contrast ratio of two "#rrggbb" colours after WCAG 2.2. */
function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
