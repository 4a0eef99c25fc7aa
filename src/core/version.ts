/** Of this package; a constant, since a page has no package.json to read it from. */
export const version = "0.1.0";
