// Checks parsed JSON field by field; an error names the document and the path to the field.

type Fields = Readonly<Record<string, unknown>>;
type ErrorClass = new (message: string) => Error;

/** An object inside a document, with the path that leads to it. A null field counts as absent. */
export class Checker {
  readonly value: Fields;
  private readonly document: string;
  private readonly path: string;
  private readonly errorClass: ErrorClass;

  private constructor(document: string, path: string, value: unknown, errorClass: ErrorClass) {
    this.document = document;
    this.path = path;
    this.errorClass = errorClass;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new errorClass(
        `${document}: ${path === '' ? 'the document' : path} must be an object, not ${describe(value)}`,
      );
    }
    this.value = value as Fields;
  }

  /** Starts at the top of a document. @throws errorClass when that is not an object. */
  static root(document: string, value: unknown, errorClass: ErrorClass): Checker {
    return new Checker(document, '', value, errorClass);
  }

  /** @throws an error that names the field. */
  fail(key: string, problem: string): never {
    throw new this.errorClass(`${this.document}: ${this.at(key)} ${problem}`);
  }

  string(...keys: readonly string[]): void {
    for (const key of keys) this.require(key, 'a string', typeof this.value[key] === 'string');
  }

  integer(...keys: readonly string[]): void {
    for (const key of keys) this.require(key, 'an integer', isInteger(this.value[key]));
  }

  optionalString(...keys: readonly string[]): void {
    for (const key of keys) if (this.has(key)) this.string(key);
  }

  optionalBoolean(...keys: readonly string[]): void {
    for (const key of keys) {
      if (this.has(key)) this.require(key, 'true or false', typeof this.value[key] === 'boolean');
    }
  }

  optionalInteger(...keys: readonly string[]): void {
    for (const key of keys) if (this.has(key)) this.integer(key);
  }

  absolutePath(key: string): void {
    this.string(key);
    const value = this.value[key] as string;
    if (!value.startsWith('/')) this.fail(key, `must be an absolute path, not ${describe(value)}`);
    if (value.includes('\0')) this.fail(key, 'must not have a zero byte');
  }

  optionalObject(key: string): Checker | undefined {
    if (!this.has(key)) return undefined;
    return new Checker(this.document, this.at(key), this.value[key], this.errorClass);
  }

  objects(key: string): Checker[] {
    return this.list(key).map(
      (item, index) => new Checker(this.document, `${this.at(key)}[${index}]`, item, this.errorClass),
    );
  }

  strings(...keys: readonly string[]): void {
    for (const key of keys) {
      for (const [index, item] of this.list(key).entries()) {
        if (typeof item !== 'string')
          this.fail(`${key}[${index}]`, `must be a string, not ${describe(item)}`);
      }
    }
  }

  integers(key: string): void {
    for (const [index, item] of this.list(key).entries()) {
      if (!isInteger(item)) this.fail(`${key}[${index}]`, `must be an integer, not ${describe(item)}`);
    }
  }

  stringMap(key: string): void {
    const map = this.optionalObject(key);
    for (const name of Object.keys(map?.value ?? {})) map?.string(name);
  }

  private list(key: string): readonly unknown[] {
    const value = this.value[key];
    if (!this.has(key)) return [];
    if (!Array.isArray(value)) this.fail(key, `must be a list, not ${describe(value)}`);
    return value as readonly unknown[];
  }

  private has(key: string): boolean {
    return this.value[key] !== undefined && this.value[key] !== null;
  }

  private require(key: string, what: string, isRight: boolean): void {
    if (isRight) return;
    const value = this.value[key];
    this.fail(
      key,
      value === undefined || value === null
        ? `is missing: it must be ${what}`
        : `must be ${what}, not ${describe(value)}`,
    );
  }

  private at(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }
}

function isInteger(value: unknown): boolean {
  return typeof value === 'bigint' || Number.isInteger(value);
}

/** A value for an error message: short, and never the content of a list or an object. */
function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string')
    return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
  return String(value);
}
