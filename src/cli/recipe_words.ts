import { normalizationOf } from "../data/index.js";
import { type RecipeName, type RecipeSettings, recipeNames, recipes } from "../train/recipes.js";
import type { RunConfig } from "../train/run_config.js";

/** Settings as the flags that ask for them, one entry a setting: what messages, help and hints are made of. */
export function recipeWords(settings: RecipeSettings): string[] {
  const { normalize, clipGradNorm } = settings;
  const how =
    typeof normalize === "object" ? `${normalize.mean},${normalize.std}` : normalize ? "data" : "none";
  return [
    `--batch-size ${settings.batchSize}`,
    `--optimizer ${settings.optimizer}`,
    `--learning-rate ${settings.learningRate}`,
    `--momentum ${settings.momentum}`,
    settings.nesterov ? "--nesterov" : "--no-nesterov",
    `--weight-decay ${settings.weightDecay}`,
    `--schedule ${settings.schedule}`,
    `--warmup-steps ${settings.warmupSteps}`,
    `--clip-grad-norm ${clipGradNorm || "none"}`,
    `--initializer ${settings.initializer}`,
    `--normalize ${how}`,
    `--augment ${settings.augment.join(",") || "none"}`,
    `--mixup ${settings.mixup}`,
    `--label-smoothing ${settings.labelSmoothing}`,
    `--ema-decay ${settings.emaDecay}`,
  ];
}

/** Says where a run's settings differ from the notebook's; undefined for the notebook's own recipe. */
export function differenceFromNotebook(recipe: RecipeName, settings: RecipeSettings): string | undefined {
  if (recipe === "notebook") return undefined;
  const words = changedWords(settings, recipes.notebook);
  return `Recipe ${recipe} differs from the notebook's training; the network stays the same. It sets\n${lines(words, "  ")}`;
}

/** A run's recipe and what flags overrode: "notebook", "fast but for batch size", "notebook but for 6 settings". */
export function recipeTitle(config: RunConfig): string {
  const { recipe, data } = config;
  const { normalize } = recipes[recipe];
  const own = { ...recipes[recipe], normalize: normalize === true ? normalizationOf(data) : normalize };
  const changed = changedWords(config, own);
  if (changed.length === 0) return recipe;
  const names = changed.map((word) => /^--(?:no-)?([a-z-]+)/.exec(word)![1]!.replaceAll("-", " "));
  return `${recipe} but for ${changed.length > 3 ? `${changed.length} settings` : names.join(", ")}`;
}

/** The words of settings that are not as usual, without those that others leave without effect. */
function changedWords(settings: RecipeSettings, usual: RecipeSettings): string[] {
  const known = new Set(recipeWords(usual));
  const idle = [
    ...(settings.optimizer === "sgd" ? [] : ["--momentum", "--nesterov", "--no-nesterov"]),
    ...(settings.schedule === "cosine" ? [] : ["--warmup-steps"]),
  ];
  return recipeWords(settings).filter((word) => !known.has(word) && !idle.includes(word.split(" ")[0]!));
}

/** What each recipe sets, for `--help`. */
export function recipeHelp(): string {
  const width = Math.max(...recipeNames.map((name) => name.length)) + 4;
  const texts = recipeNames.map((name) => {
    const settings = lines(recipeWords(recipes[name]), " ".repeat(width));
    return `  ${name}`.padEnd(width) + settings.trimStart();
  });
  return `\nA recipe never changes the network. An option that is given as well overrides it:\n${texts.join("\n")}`;
}

/** Words in lines of at most 100 characters. */
function lines(words: readonly string[], indent: string): string {
  const wrapped: string[] = [];
  for (const word of words) {
    const last = wrapped.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= 100) wrapped.push(`${wrapped.pop()} ${word}`);
    else wrapped.push(indent + word);
  }
  return wrapped.join("\n");
}
