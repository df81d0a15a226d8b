/**
 * The outgoing bytes of one connection, below frames and encryption. A script can cut them, change them or send others.
 * Incoming bytes pass unchanged.
 */
import type { Duplex } from "@sluice/transport"
import { Effect, Semaphore } from "effect"

export class Wire {
  /** The connection that frames and encryption write to and read from. */
  readonly duplex: Duplex
  private change: ((bytes: Uint8Array) => ReadonlyArray<Uint8Array>) | undefined

  constructor(inner: Duplex) {
    const { pull, remote, write } = inner
    // The pieces of two writes must not interleave.
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

  /** From now on, `change` replaces the bytes of every write. */
  alter(change: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>): void {
    this.change = change
  }

  /** From now on, writes go out unchanged. */
  leave(): void {
    this.change = undefined
  }
}

/** Writes each byte by itself. */
export const oneByteAtATime = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from(bytes, (byte) => Uint8Array.of(byte))

/** Flips the last bit. With encryption, this bit belongs to the last authentication tag. */
export const lastBitFlipped = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const changed = bytes.slice()
  changed[changed.length - 1]! ^= 1
  return [changed]
}
