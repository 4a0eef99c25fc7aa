/** The colours of every view; each is a CSS colour. */
export interface Theme {
  /** text and the training loss */
  readonly ink: string;
  /** text that stands back */
  readonly quiet: string;
  /** axes and reference lines */
  readonly faint: string;
  readonly grid: string;
  readonly paper: string;
  /** what is right, or measured on training data */
  readonly blue: string;
  /** what is wrong, or measured on test data */
  readonly orange: string;
}

/** For paper, and for files that other programs draw. Blue and orange after Okabe and Ito: told apart under every common colour blindness. */
export const lightTheme: Theme = {
  ink: "#222222",
  quiet: "#5c5c5c",
  faint: "#8a8a8a",
  grid: "#e4e4e4",
  paper: "#ffffff",
  blue: "#0072b2",
  orange: "#c05000",
};

export const darkTheme: Theme = {
  ink: "#e9e7e2",
  quiet: "#a8a6a1",
  faint: "#77756f",
  grid: "#303237",
  paper: "#16171a",
  blue: "#5fb2e6",
  orange: "#f2914a",
};

/** For drawings inside a page that defines the colours as custom properties, such as `--ink`: see `themeCss`. */
export const pageTheme = Object.fromEntries(
  Object.keys(lightTheme).map((name) => [name, `var(--${name})`]),
) as unknown as Theme;

/** The style rules that `pageTheme` needs: light, and dark where the reader prefers it. */
export function themeCss(): string {
  const rules = (theme: Theme) =>
    Object.entries(theme)
      .map(([name, colour]) => `--${name}: ${colour};`)
      .join(" ");
  return `:root { color-scheme: light dark; ${rules(lightTheme)} }
@media (prefers-color-scheme: dark) { :root { ${rules(darkTheme)} } }`;
}
