/** In place of noise's thread-urls.ts. */
import { codeUrl } from "./asset.ts"

export const handshakeThreadUrl = (): URL => codeUrl("handshake-thread.js")
export const nobleThreadCurveUrl = (): URL => codeUrl("noble-thread-curve.js")
