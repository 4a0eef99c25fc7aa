import { type Language, languages } from "./strings.js";

export type Theme = "auto" | "light" | "dark";

/** What is the visitor's and not the link's: language and colours. */
export interface Preferences {
  language: Language;
  readonly theme: Theme;
}

/** A browser may forbid storage. */
function stored(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function store(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // The choice holds for this visit.
  }
}

/** The visitor's last choice, else the browser's language and the system's colours. */
export function readPreferences(): Preferences {
  const wanted = stored("language") ?? (navigator.language.startsWith("zh") ? "zh-CN" : "en");
  const theme = stored("theme");
  return {
    language: Object.hasOwn(languages, wanted) ? (wanted as Language) : "en",
    theme: theme === "light" || theme === "dark" ? theme : "auto",
  };
}

export function setLanguage(language: Language): void {
  store("language", language);
}

/** Puts the colours into effect, and remembers them. */
export function setTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme;
  store("theme", theme);
}
