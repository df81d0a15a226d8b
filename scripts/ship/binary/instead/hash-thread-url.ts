/** In place of miner's hash-thread-url.ts. */
import { codeUrl } from "./asset.ts"

export const hashThreadUrl = (): URL => codeUrl("hash-thread.js")
