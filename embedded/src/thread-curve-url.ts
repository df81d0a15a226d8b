/** Where thread-curve.ts is, beside this file. A program in one file replaces this module. */

/** In a package published as JavaScript, it is JavaScript too. */
export const threadCurveUrl: string = new URL(
  import.meta.url.endsWith(".ts") ? "./thread-curve.ts" : "./thread-curve.js",
  import.meta.url
).href
