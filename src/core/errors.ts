/** A mistake of the user: its message says what is wrong, with which value, and what to do. */
export class UserError extends Error {
  override readonly name = "UserError";
}
