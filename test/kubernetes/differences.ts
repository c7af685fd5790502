// Where our answer may differ from runc's, and why. One that is here and does not differ is an error, so the list stays true.

/** What is to be read beside a behaviour that differs; Markdown. */
export const differences: Readonly<Record<string, string>> = {};
