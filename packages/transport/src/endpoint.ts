/**
 * Where a peer is: a TCP address, and for a server to dial, how to trust it. The text form is the URL of the
 * specification, section 4.7: `stratum2+tcp://host:port/AUTHORITYKEY`; `stratum2+tcp+plain://host:port` is our own
 * spelling for a server that speaks without Noise.
 */

/** One side of a TCP connection, or an address of an in-memory network. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** A server to connect to. */
export interface ServerAddress extends Endpoint {
  /** `"noise"` needs the authority's x-only public key (32 bytes, section 4.7); `"plain"` has none. */
  readonly security:
    | { readonly _tag: "noise"; readonly authorityKey: Uint8Array }
    | { readonly _tag: "plain" }
}
