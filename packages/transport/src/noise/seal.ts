/** The encrypted frames after the handshake (specification, section 4.6). */
import { type CipherState, FrameLayout, type Handshake } from "@sluice/core"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type { Duplex } from "../bytes/duplex.ts"
import type { FrameDuplex } from "../frames/frame-duplex.ts"
import { FrameReader } from "../frames/frame-reader.ts"
import { type FrameLimits, MAX_SETUP_PAYLOAD, overDuplex } from "../frames/frame-stream.ts"

export const encrypted = (
  duplex: Duplex,
  { receive, send }: Handshake.Initiator | Handshake.Responder,
  early: ReadonlyArray<Uint8Array>,
  limits: FrameLimits
): FrameDuplex =>
  overDuplex({
    duplex,
    reader: new FrameReader(receive, limits.maxSetupPayload ?? MAX_SETUP_PAYLOAD),
    early,
    seal: (frames) => seal(send, frames),
    limits
  })

/** Encrypts all frames of one write into one buffer. */
export const seal = (cipher: CipherState, frames: NonEmptyReadonlyArray<Uint8Array>): Uint8Array => {
  let size = 0
  for (const frame of frames) {
    size +=
      FrameLayout.ENCRYPTED_HEADER_SIZE +
      FrameLayout.encryptedPayloadLength(frame.length - FrameLayout.FRAME_HEADER_SIZE)
  }
  const pooled = Buffer.allocUnsafe(size)
  // Not a Buffer, whose `slice` gives a view instead of a copy.
  const out = new Uint8Array(pooled.buffer, pooled.byteOffset, size)
  let at = 0
  for (const frame of frames) {
    const written = sealInto(cipher, frame, out, at)
    // Happens after 2^64 frames: with a million frames a second, in half a million years.
    if (written < 0) throw new Error("the encryption key is used up")
    at += written
  }
  return out
}

/** Frames of at least this size are copied with `set` instead of a loop: a view costs as much as copying 100 bytes. */
const LARGE_FRAME = 128

const sealInto = (cipher: CipherState, frame: Uint8Array, out: Uint8Array, at: number): number => {
  if (frame.length < LARGE_FRAME) return cipher.sealFrame(frame, 0, out, at)
  out.set(frame.subarray(0, FrameLayout.FRAME_HEADER_SIZE), at)
  let to = at + FrameLayout.ENCRYPTED_HEADER_SIZE
  for (let from = FrameLayout.FRAME_HEADER_SIZE; from < frame.length; from += FrameLayout.MAX_BLOCK_PLAINTEXT) {
    out.set(frame.subarray(from, from + FrameLayout.MAX_BLOCK_PLAINTEXT), to)
    to += FrameLayout.MAX_BLOCK_PLAINTEXT + FrameLayout.MAC_SIZE
  }
  return cipher.sealPlaced(out, at, frame.length - FrameLayout.FRAME_HEADER_SIZE)
}
