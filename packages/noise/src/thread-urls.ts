/** Where the code of handshake threads is, beside this file. A program in one file replaces this module. */

/** In a package published as JavaScript, the threads' code is JavaScript too. */
const besides = (name: string): URL =>
  new URL(`./${name}.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url)

export const handshakeThreadUrl = (): URL => besides("handshake-thread")

/** The curve of a thread that is given none. */
export const nobleThreadCurveUrl = (): URL => besides("noble-thread-curve")
