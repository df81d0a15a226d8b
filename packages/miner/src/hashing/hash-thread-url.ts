/** Where the code of hashing threads is, beside this file. A program in one file replaces this module. */

/** In a package published as JavaScript, the thread's code is JavaScript too. */
export const hashThreadUrl = (): URL =>
  new URL(import.meta.url.endsWith(".ts") ? "./hash-thread.ts" : "./hash-thread.js", import.meta.url)
