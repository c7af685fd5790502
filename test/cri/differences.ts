// What critest finds otherwise than with runc, and why; and what it is not asked.

/** By the spec's full name; Markdown. One that is here and does not differ is an error. */
export const differences: Readonly<Record<string, string>> = {};

/** Regular expressions of specs that are not about the runtime, or ask for what is not here. */
export const notAsked: readonly string[] = [
  // Names a digest of an image at gcr.io.
  'public image with digest',
];
