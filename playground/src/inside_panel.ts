import { byId, html } from "./dom.js";
import { loadViews, optionsOf, showDrawing } from "./drawings.js";
import { Garments } from "./garments.js";
import type { LookReport, Wanted } from "./looks.js";
import type { Run } from "./run.js";
import type { Strings } from "./strings.js";
import { nameIn } from "./strings_of_panels.js";
import { chosen, presetLike } from "./switches.js";

type Seen = LookReport & { type: "inside" };

/** Other runs whose gradients stand beside the current one's. */
const mostEarlier = 3;

/** Kernels, gradients and activations of the network that trains. */
export class InsidePanel {
  readonly garments: Garments;
  private layer: string | null = null;
  private classNames: readonly string[] = [];
  private seen: Seen | undefined;

  constructor(private readonly onChoose: () => void) {
    this.garments = new Garments(onChoose);
    const layer = byId<HTMLSelectElement>("inside-layer");
    layer.addEventListener("change", () => {
      this.layer = layer.value;
      this.onChoose();
    });
  }

  get wanted(): Wanted["inside"] {
    const { chosen: garment } = this.garments;
    return garment ? { garment: garment.number, layer: this.layer } : null;
  }

  take(report: LookReport, runs: readonly Run[], strings: Strings): void {
    if (report.type === "garments") {
      this.garments.set(report.garments, report.classNames);
      this.classNames = report.classNames;
      this.garments.show(strings);
    }
    if (report.type === "unseen") byId("inside-note").textContent = strings.unseen(report.sentence);
    if (report.type !== "inside") return;
    this.seen = report;
    const run = runs.find(({ number }) => number === report.of);
    if (run) run.gradientNorms = report.glimpse.layers.gradientNorms;
    void this.show(runs, strings);
  }

  /** Draws what was seen last. */
  async show(runs: readonly Run[], strings: Strings): Promise<void> {
    this.garments.show(strings);
    const { seen } = this;
    byId("inside-figures").hidden = !seen;
    if (!seen) {
      byId("inside-note").textContent = strings.insideEmpty;
      return;
    }
    const views = await loadViews();
    // A newer look may have come meanwhile.
    if (seen !== this.seen) return;
    const options = optionsOf(views, strings);
    const { glimpse, position, of } = seen;
    const { kernels, layers } = glimpse;
    byId("inside-note").textContent = strings.insideNote(position);
    byId("kernels-missing").hidden = kernels !== null;
    for (const id of ["kernels", "kernel-gradients"]) byId(`${id}-figure`).hidden = !kernels;
    if (kernels) {
      showDrawing(byId("kernels"), views.kernelsSvg(this.named(kernels.weights, strings), options));
      const gradients = views.kernelsSvg(this.named(kernels.gradients, strings), {
        ...options,
        words: { ...(options.words ?? views.englishWords), kernels: strings.kernelGradients },
      });
      showDrawing(byId("kernel-gradients"), gradients);
    }
    this.showActivation(views, strings);
    const current = runs.find(({ number }) => number === of);
    const earlier = runs
      .filter(({ number, gradientNorms }) => number !== of && gradientNorms)
      .slice(-mostEarlier)
      .reverse();
    const profiles = [...(current ? [current] : []), ...earlier].map((run) => ({
      name: titleOf(run, strings),
      gradientNorms: run.gradientNorms!,
    }));
    const place = byId("norms");
    const width = Math.max(320, Math.min(640, place.clientWidth));
    showDrawing(place, views.gradientProfileSvg(profiles, { ...options, width }));
    const hasRelu = Object.keys(layers.deadShares).length > 0;
    if (hasRelu) showDrawing(byId("dead"), views.deadSharesSvg([{ epoch: position, ...layers }], options));
    else byId("dead").replaceChildren(html("p", { class: "quiet" }, strings.noRelu));
  }

  private named<K extends { readonly names?: readonly string[] | undefined }>(
    kernels: K,
    strings: Strings,
  ): K {
    const { names } = kernels;
    return names ? { ...kernels, names: names.map((name) => nameIn(strings, name)) } : kernels;
  }

  private showActivation(views: Awaited<ReturnType<typeof loadViews>>, strings: Strings): void {
    const { layerNames, activation, probabilities } = this.seen!.glimpse;
    const select = byId<HTMLSelectElement>("inside-layer");
    if ([...select.options].map(({ value }) => value).join() !== layerNames.join())
      select.replaceChildren(...layerNames.map((name) => html("option", { value: name }, name)));
    select.value = activation.layer;
    const { data, width, height } = views.mosaic(activation);
    const canvas = byId<HTMLCanvasElement>("maps");
    Object.assign(canvas, { width, height });
    canvas.getContext("2d")!.putImageData(new ImageData(data, width, height), 0, 0);
    canvas.setAttribute("aria-label", strings.maps(activation.layer, activation.shape));
    const best = probabilities.reduce((top, share, k) => (share > probabilities[top]! ? k : top), 0);
    byId("maps-note").textContent =
      `${strings.maps(activation.layer, activation.shape)}. ${strings.says(nameIn(strings, this.classNames[best] ?? `${best}`), probabilities[best]!)}`;
  }
}

/** What tells runs apart: network, activation, optimizer. */
function titleOf({ state }: Run, strings: Strings): string {
  const network = presetLike(state.code)?.title ?? strings.ownNetwork;
  const parts = [network, chosen(state.code, "activation"), `${state.optimizer} ${state.learningRate}`];
  return parts.filter((part) => part !== undefined).join(", ");
}
