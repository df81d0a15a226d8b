/** What the single file carries beside its code. */
import { getAsset, getAssetKeys } from "node:sea"

export const PAGE = "page/"

export const bytesOf = (name: string): Uint8Array<ArrayBuffer> => new Uint8Array(getAsset(name))

export const pageNames = (): ReadonlyArray<string> =>
  getAssetKeys()
    .filter((key) => key.startsWith(PAGE))
    .map((key) => key.slice(PAGE.length))

/** Code of a thread as a URL, from which both `new Worker` and `import` take it. */
export const codeUrl = (name: string): URL =>
  new URL(`data:text/javascript;base64,${Buffer.from(getAsset(name)).toString("base64")}`)
