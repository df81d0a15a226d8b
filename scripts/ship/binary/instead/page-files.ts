/** In place of monitor's page-files.ts. */
import { bytesOf, PAGE, pageNames } from "./asset.ts"

export const pageFiles = (): ReadonlyMap<string, Uint8Array> =>
  new Map(pageNames().map((name) => [name, bytesOf(PAGE + name)]))
