import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../..", import.meta.url));
const config = resolve(root, "tsconfig.json");
const { options } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(config, ts.sys.readFile).config,
  ts.sys,
  root,
);
const parsed = new Map<string, ts.SourceFile | undefined>();

/** The path of a file beside this one. */
export function here(name: string): string {
  return resolve(dirname(fileURLToPath(import.meta.url)), name);
}

/** A program over a file as the repository's compiler sees it; `text` if the file is not on disk. */
export function programOf(path: string, text?: string): { program: ts.Program; file: ts.SourceFile } {
  const host = ts.createCompilerHost(options);
  const { getSourceFile, readFile, fileExists } = host;
  host.fileExists = (name) => name === path || fileExists(name);
  host.readFile = (name) => (name === path && text !== undefined ? text : readFile(name));
  host.getSourceFile = (name, ...rest) => {
    if (name === path && text !== undefined) return ts.createSourceFile(name, text, rest[0]);
    if (!parsed.has(name)) parsed.set(name, getSourceFile(name, ...rest));
    return parsed.get(name);
  };
  const program = ts.createProgram([path], options, host);
  return { program, file: program.getSourceFile(path)! };
}

/** What the compiler says of a file: where, and the text. */
export function diagnosticsOf(path: string, text?: string): { start: number; message: string }[] {
  const { program, file } = programOf(path, text);
  return program.getSemanticDiagnostics(file).map(({ start, messageText }) => ({
    start: start!,
    message: ts.flattenDiagnosticMessageText(messageText, "\n"),
  }));
}

/** What an editor shows over the first occurrence of `name` in a file. */
export function hoverText(path: string, name: string): string {
  const host: ts.LanguageServiceHost = {
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: ts.sys.fileExists,
    readFile: ts.sys.readFile,
    directoryExists: ts.sys.directoryExists,
    getDirectories: ts.sys.getDirectories,
    getCompilationSettings: () => options,
    getScriptFileNames: () => [path],
    getScriptVersion: () => "1",
    getScriptSnapshot: (file) =>
      ts.sys.fileExists(file) ? ts.ScriptSnapshot.fromString(readFileSync(file, "utf8")) : undefined,
  };
  const service = ts.createLanguageService(host);
  const info = service.getQuickInfoAtPosition(path, readFileSync(path, "utf8").indexOf(name));
  return ts.displayPartsToString(info?.displayParts);
}
