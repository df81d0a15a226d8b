/**
 * The bytes of one connection on their way out, below frames and encryption: a script can cut them, change them, or send
 * others. What comes in passes as it is.
 */
import type { Duplex } from "@sluice/transport"
import { Effect, Semaphore } from "effect"

export class Wire {
  /** What the floors above write to and read from. */
  readonly duplex: Duplex
  private change: ((bytes: Uint8Array) => ReadonlyArray<Uint8Array>) | undefined

  constructor(inner: Duplex) {
    const { pull, remote, write } = inner
    // The pieces of two writes must not mix.
    const oneAtATime = Semaphore.makeUnsafe(1).withPermits(1)
    this.duplex = {
      pull,
      remote,
      write: (bytes) =>
        oneAtATime(
          Effect.suspend(() => {
            const { change } = this
            if (change === undefined) return write(bytes)
            return Effect.forEach(
              change(bytes()),
              (piece) =>
                Effect.andThen(
                  write(() => piece),
                  Effect.yieldNow
                ),
              {
                discard: true
              }
            )
          })
        )
    }
  }

  /** From now on every write goes out as what `change` makes of it. */
  alter(change: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>): void {
    this.change = change
  }

  /** From now on writes go out as they are. */
  leave(): void {
    this.change = undefined
  }
}

/** A write for each byte. */
export const oneByteAtATime = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from(bytes, (byte) => Uint8Array.of(byte))

/** The last bit is another one: with encryption, a bit of the last tag. */
export const lastBitFlipped = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const changed = bytes.slice()
  changed[changed.length - 1]! ^= 1
  return [changed]
}
