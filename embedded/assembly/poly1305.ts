/**
 * Poly1305 (RFC 8439, 2.5) in integers, which takes the place of packages/core/src/poly1305.ts in device builds: on a
 * processor without a floating-point unit each of that one's 36 multiplications a block is a call of a hundred
 * instructions, and these 25 are one or four.
 *
 * A 130-bit number is five limbs of 26 bits. A product of two limbs, one of them some times 5, is below 2^57, the sum of five
 * below 2^60. Nothing branches on a key or a message.
 */

const MASK_26: u32 = 0x3ffffff

/** Authenticates whole blocks of 16 bytes, which is all that the AEAD needs: it pads with zeros (RFC 8439, 2.8). */
export class Poly1305 {
  private r0: u32 = 0
  private r1: u32 = 0
  private r2: u32 = 0
  private r3: u32 = 0
  private r4: u32 = 0
  private h0: u32 = 0
  private h1: u32 = 0
  private h2: u32 = 0
  private h3: u32 = 0
  private h4: u32 = 0
  private s0: u32 = 0
  private s1: u32 = 0
  private s2: u32 = 0
  private s3: u32 = 0

  /** Starts a message with a one-time key of 8 words: r, which is clamped (2.5), and s. */
  start(key: Int32Array): void {
    const t0 = (key[0] as u32) & 0x0fffffff
    const t1 = (key[1] as u32) & 0x0ffffffc
    const t2 = (key[2] as u32) & 0x0ffffffc
    const t3 = (key[3] as u32) & 0x0ffffffc
    this.r0 = t0 & MASK_26
    this.r1 = ((t0 >> 26) | (t1 << 6)) & MASK_26
    this.r2 = ((t1 >> 20) | (t2 << 12)) & MASK_26
    this.r3 = ((t2 >> 14) | (t3 << 18)) & MASK_26
    this.r4 = t3 >> 8
    this.h0 = 0
    this.h1 = 0
    this.h2 = 0
    this.h3 = 0
    this.h4 = 0
    this.s0 = key[4]
    this.s1 = key[5]
    this.s2 = key[6]
    this.s3 = key[7]
  }

  /** Absorbs `words` (four little-endian words a block). `high` is 2^128 as bit 18 of what is above 110 bits. */
  blocks(words: Int32Array, count: i32, high: i32): void {
    const r0 = this.r0 as u64
    const r1 = this.r1 as u64
    const r2 = this.r2 as u64
    const r3 = this.r3 as u64
    const r4 = this.r4 as u64
    const s1 = r1 * 5
    const s2 = r2 * 5
    const s3 = r3 * 5
    const s4 = r4 * 5
    // 2^128 is bit 24 of the top limb, which begins at 104.
    const top = (high as u32) << 6
    let h0 = this.h0
    let h1 = this.h1
    let h2 = this.h2
    let h3 = this.h3
    let h4 = this.h4
    const end = count << 2
    for (let i = 0; i < end; i += 4) {
      const t0 = words[i] as u32
      const t1 = words[i + 1] as u32
      const t2 = words[i + 2] as u32
      const t3 = words[i + 3] as u32
      const a0 = (h0 + (t0 & MASK_26)) as u64
      const a1 = (h1 + (((t0 >> 26) | (t1 << 6)) & MASK_26)) as u64
      const a2 = (h2 + (((t1 >> 20) | (t2 << 12)) & MASK_26)) as u64
      const a3 = (h3 + (((t2 >> 14) | (t3 << 18)) & MASK_26)) as u64
      const a4 = (h4 + ((t3 >> 8) | top)) as u64
      const d0 = a0 * r0 + a1 * s4 + a2 * s3 + a3 * s2 + a4 * s1
      const d1 = a0 * r1 + a1 * r0 + a2 * s4 + a3 * s3 + a4 * s2 + (d0 >> 26)
      const d2 = a0 * r2 + a1 * r1 + a2 * r0 + a3 * s4 + a4 * s3 + (d1 >> 26)
      const d3 = a0 * r3 + a1 * r2 + a2 * r1 + a3 * r0 + a4 * s4 + (d2 >> 26)
      const d4 = a0 * r4 + a1 * r3 + a2 * r2 + a3 * r1 + a4 * r0 + (d3 >> 26)
      // What is carried out of the top comes back at the bottom times 5; one more step makes that limb small again.
      const low = (d0 & (MASK_26 as u64)) + (d4 >> 26) * 5
      h0 = (low as u32) & MASK_26
      h1 = ((d1 as u32) & MASK_26) + ((low >> 26) as u32)
      h2 = (d2 as u32) & MASK_26
      h3 = (d3 as u32) & MASK_26
      h4 = (d4 as u32) & MASK_26
    }
    this.h0 = h0
    this.h1 = h1
    this.h2 = h2
    this.h3 = h3
    this.h4 = h4
  }

  /** Writes the tag, four words, to `tag`. */
  finish(tag: Int32Array): void {
    let h0 = this.h0
    let h1 = this.h1
    let h2 = this.h2
    let h3 = this.h3
    let h4 = this.h4
    // The first limb takes no carry in after the last round, so two rounds leave each below 2^26.
    for (let i = 0; i < 2; i++) {
      h2 += h1 >> 26
      h1 &= MASK_26
      h3 += h2 >> 26
      h2 &= MASK_26
      h4 += h3 >> 26
      h3 &= MASK_26
      h0 += (h4 >> 26) * 5
      h4 &= MASK_26
      h1 += h0 >> 26
      h0 &= MASK_26
    }
    // h - p = h + 5 - 2^130; taken where it is not negative, without a branch.
    let g0 = h0 + 5
    let g1 = h1 + (g0 >> 26)
    let g2 = h2 + (g1 >> 26)
    let g3 = h3 + (g2 >> 26)
    const g4 = h4 + (g3 >> 26) - (1 << 26)
    g0 &= MASK_26
    g1 &= MASK_26
    g2 &= MASK_26
    g3 &= MASK_26
    const keep: u32 = ((g4 as i32) >> 31) as u32
    h0 = (h0 & keep) | (g0 & ~keep)
    h1 = (h1 & keep) | (g1 & ~keep)
    h2 = (h2 & keep) | (g2 & ~keep)
    h3 = (h3 & keep) | (g3 & ~keep)
    h4 = (h4 & keep) | (g4 & ~keep)
    // tag = (h + s) mod 2^128, words of 32 bits.
    let sum: u64 = ((h0 | (h1 << 26)) as u64) + (this.s0 as u64)
    tag[0] = sum as i32
    sum = (((h1 >> 6) | (h2 << 20)) as u64) + (this.s1 as u64) + (sum >> 32)
    tag[1] = sum as i32
    sum = (((h2 >> 12) | (h3 << 14)) as u64) + (this.s2 as u64) + (sum >> 32)
    tag[2] = sum as i32
    sum = (((h3 >> 18) | (h4 << 8)) as u64) + (this.s3 as u64) + (sum >> 32)
    tag[3] = sum as i32
  }
}
