/** The version of this build; scripts/build.ts inserts the package's. */
declare const BULKHEAD_VERSION: string | undefined;

export const VERSION: string = typeof BULKHEAD_VERSION === 'undefined' ? '0.0.0-dev' : BULKHEAD_VERSION;
