/**
 * A target of `npm run fuzz`. It takes any bytes, and throws if the code under test has an untyped error, gives an answer that
 * depends on how bytes are split, or decodes a value that does not encode to the same bytes.
 */
export interface FuzzTarget {
  readonly name: string
  readonly run: (input: Uint8Array) => void
  /** The first inputs, which are well-formed. */
  readonly seeds: () => ReadonlyArray<Uint8Array>
}
