/**
 * Something that `npm run fuzz` throws bytes at. It takes any bytes and throws where something is wrong: an error that is not
 * the typed one of its code, an answer that depends on how bytes were cut, a value that does not come back from its bytes.
 */
export interface FuzzTarget {
  readonly name: string
  readonly run: (input: Uint8Array) => void
  /** Inputs to begin with: what is well-formed. */
  readonly seeds: () => ReadonlyArray<Uint8Array>
}
