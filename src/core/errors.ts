/** A mistake of the user: its message says what is wrong, with which value, and what to do. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** A device has no memory for what it was asked to do. That did nothing, and the device can be used on. */
export class OutOfMemoryError extends UserError {}

/** A device is gone, and all that lay on it. */
export class DeviceLostError extends UserError {}

const fileProblems: Readonly<Record<string, string>> = {
  EACCES: "permission is denied",
  EPERM: "permission is denied",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  ENOENT: "there is no such file or directory",
  ENOTDIR: "a part of the path is not a directory",
  EISDIR: "it is a directory",
  ENAMETOOLONG: "the name is too long",
};

/** A system error's reason as a clause that fits into a sentence. */
export function fileProblem(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return fileProblems[code ?? ""] ?? message;
}

/** The code of a system error, such as "ENOENT". */
export function errorCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
