/** In place of embedded's thread-curve-url.ts. */
import { codeUrl } from "./asset.ts"

export const threadCurveUrl: string = codeUrl("thread-curve.js").href
