/** A command of Flybrick's to be pasted into a shell: in the folder of a project that has it, or in its clone. */
export function shellCommand(...words: readonly string[]): string {
  return ["npx flybrick", ...words.map(quoted)].join(" ");
}

function quoted(word: string): string {
  return /^[\w./:,=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
