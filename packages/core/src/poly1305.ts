/**
 * Poly1305 (RFC 8439, 2.5) in floating point.
 *
 * A 130-bit number is six limbs of 22 bits held as f64, after D. J. Bernstein's floating-point Poly1305. A product of
 * two limbs and the sum of six of them, some times 20, stay below 2^53, so every operation is exact and gives the same
 * bits on any IEEE 754 machine, also where a compiler fuses multiplication and addition. This takes 36 multiplications
 * a block where 13-bit limbs in 32-bit integers take 100.
 */

/** Adding and subtracting 3 x 2^73 rounds to a multiple of 2^22, the unit of a limb's carry. */
const ROUND_22: f64 = 28334198897217871282176.0
/** 2^-22. */
const DOWN_22: f64 = 2.384185791015625e-7
const MASK_22: i32 = 0x3fffff

/** Authenticates whole blocks of 16 bytes, which is all that the AEAD needs: it pads with zeros (RFC 8439, 2.8). */
export class Poly1305 {
  private r0: f64 = 0.5
  private r1: f64 = 0.5
  private r2: f64 = 0.5
  private r3: f64 = 0.5
  private r4: f64 = 0.5
  private r5: f64 = 0.5
  private h0: f64 = 0.5
  private h1: f64 = 0.5
  private h2: f64 = 0.5
  private h3: f64 = 0.5
  private h4: f64 = 0.5
  private h5: f64 = 0.5
  private s0: i32 = 0
  private s1: i32 = 0
  private s2: i32 = 0
  private s3: i32 = 0

  /** Starts a message with a one-time key of 8 words: r, which is clamped (2.5), and s. */
  start(key: Int32Array): void {
    const t0: i32 = key[0] & 0x0fffffff
    const t1: i32 = key[1] & 0x0ffffffc
    const t2: i32 = key[2] & 0x0ffffffc
    const t3: i32 = key[3] & 0x0ffffffc
    this.r0 = t0 & MASK_22
    this.r1 = ((t0 >>> 22) | (t1 << 10)) & MASK_22
    this.r2 = ((t1 >>> 12) | (t2 << 20)) & MASK_22
    this.r3 = (t2 >>> 2) & MASK_22
    this.r4 = ((t2 >>> 24) | (t3 << 8)) & MASK_22
    this.r5 = t3 >>> 14
    this.h0 = 0.0
    this.h1 = 0.0
    this.h2 = 0.0
    this.h3 = 0.0
    this.h4 = 0.0
    this.h5 = 0.0
    this.s0 = key[4]
    this.s1 = key[5]
    this.s2 = key[6]
    this.s3 = key[7]
  }

  /** Absorbs `words` (four little-endian words a block). `high` is 2^128 as bit 18 of the top limb. */
  blocks(words: Int32Array, count: i32, high: i32): void {
    const r0: f64 = this.r0
    const r1: f64 = this.r1
    const r2: f64 = this.r2
    const r3: f64 = this.r3
    const r4: f64 = this.r4
    const r5: f64 = this.r5
    const s1: f64 = r1 * 20.0
    const s2: f64 = r2 * 20.0
    const s3: f64 = r3 * 20.0
    const s4: f64 = r4 * 20.0
    const s5: f64 = r5 * 20.0
    let h0: f64 = this.h0
    let h1: f64 = this.h1
    let h2: f64 = this.h2
    let h3: f64 = this.h3
    let h4: f64 = this.h4
    let h5: f64 = this.h5
    const end: i32 = count << 2
    for (let i: i32 = 0; i < end; i += 4) {
      const t0: i32 = words[i]
      const t1: i32 = words[i + 1]
      const t2: i32 = words[i + 2]
      const t3: i32 = words[i + 3]
      const m0: i32 = t0 & MASK_22
      const m1: i32 = ((t0 >>> 22) | (t1 << 10)) & MASK_22
      const m2: i32 = ((t1 >>> 12) | (t2 << 20)) & MASK_22
      const m3: i32 = (t2 >>> 2) & MASK_22
      const m4: i32 = ((t2 >>> 24) | (t3 << 8)) & MASK_22
      const m5: i32 = (t3 >>> 14) | high
      h0 += m0
      h1 += m1
      h2 += m2
      h3 += m3
      h4 += m4
      h5 += m5
      let d0: f64 = h0 * r0 + h1 * s5 + h2 * s4 + h3 * s3 + h4 * s2 + h5 * s1
      let d1: f64 = h0 * r1 + h1 * r0 + h2 * s5 + h3 * s4 + h4 * s3 + h5 * s2
      let d2: f64 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s5 + h4 * s4 + h5 * s3
      let d3: f64 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s5 + h5 * s4
      let d4: f64 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0 + h5 * s5
      let d5: f64 = h0 * r5 + h1 * r4 + h2 * r3 + h3 * r2 + h4 * r1 + h5 * r0
      // Two chains of carries side by side, 0 1 2 3 and 3 4 5 0: afterwards each limb is within 2^22 of zero.
      let c0: f64 = d0 + ROUND_22 - ROUND_22
      let c3: f64 = d3 + ROUND_22 - ROUND_22
      d1 += c0 * DOWN_22
      d4 += c3 * DOWN_22
      d0 -= c0
      d3 -= c3
      const c1: f64 = d1 + ROUND_22 - ROUND_22
      const c4: f64 = d4 + ROUND_22 - ROUND_22
      d2 += c1 * DOWN_22
      d5 += c4 * DOWN_22
      h1 = d1 - c1
      h4 = d4 - c4
      const c2: f64 = d2 + ROUND_22 - ROUND_22
      const c5: f64 = d5 + ROUND_22 - ROUND_22
      d3 += c2 * DOWN_22
      d0 += c5 * (20.0 * DOWN_22)
      h2 = d2 - c2
      h5 = d5 - c5
      c0 = d0 + ROUND_22 - ROUND_22
      c3 = d3 + ROUND_22 - ROUND_22
      h1 += c0 * DOWN_22
      h4 += c3 * DOWN_22
      h0 = d0 - c0
      h3 = d3 - c3
    }
    this.h0 = h0
    this.h1 = h1
    this.h2 = h2
    this.h3 = h3
    this.h4 = h4
    this.h5 = h5
  }

  /** Writes the tag, four words, to `tag`. */
  finish(tag: Int32Array): void {
    let h0: i32 = (this.h0 as i32) | 0
    let h1: i32 = (this.h1 as i32) | 0
    let h2: i32 = (this.h2 as i32) | 0
    let h3: i32 = (this.h3 as i32) | 0
    let h4: i32 = (this.h4 as i32) | 0
    let h5: i32 = (this.h5 as i32) | 0
    // Carry with the sign until each limb is in 0 .. 2^22 - 1 and the whole below 2^130: 2^130 = 5 (mod p).
    for (let i: i32 = 0; i < 3; i++) {
      h1 = (h1 + (h0 >> 22)) | 0
      h2 = (h2 + (h1 >> 22)) | 0
      h3 = (h3 + (h2 >> 22)) | 0
      h4 = (h4 + (h3 >> 22)) | 0
      h5 = (h5 + (h4 >> 22)) | 0
      h0 = ((h0 & MASK_22) + (h5 >> 20) * 5) | 0
      h1 = h1 & MASK_22
      h2 = h2 & MASK_22
      h3 = h3 & MASK_22
      h4 = h4 & MASK_22
      h5 = h5 & 0xfffff
    }
    // h - p = h + 5 - 2^130; taken where it is not negative, without a branch.
    let g0: i32 = (h0 + 5) | 0
    let g1: i32 = (h1 + (g0 >> 22)) | 0
    let g2: i32 = (h2 + (g1 >> 22)) | 0
    let g3: i32 = (h3 + (g2 >> 22)) | 0
    let g4: i32 = (h4 + (g3 >> 22)) | 0
    const g5: i32 = (h5 + (g4 >> 22) - 0x100000) | 0
    const keep: i32 = g5 >> 31
    g0 = g0 & MASK_22
    g1 = g1 & MASK_22
    g2 = g2 & MASK_22
    g3 = g3 & MASK_22
    g4 = g4 & MASK_22
    h0 = (h0 & keep) | (g0 & ~keep)
    h1 = (h1 & keep) | (g1 & ~keep)
    h2 = (h2 & keep) | (g2 & ~keep)
    h3 = (h3 & keep) | (g3 & ~keep)
    h4 = (h4 & keep) | (g4 & ~keep)
    h5 = (h5 & keep) | (g5 & ~keep)
    // tag = (h + s) mod 2^128, words of 32 bits.
    const a0: i32 = h0 | (h1 << 22)
    const a1: i32 = (h1 >>> 10) | (h2 << 12)
    const a2: i32 = (h2 >>> 20) | (h3 << 2) | (h4 << 24)
    const a3: i32 = (h4 >>> 8) | (h5 << 14)
    const t0: i32 = (a0 + this.s0) | 0
    const t1: i32 = (a1 + this.s1) | 0
    const t2: i32 = (a2 + this.s2) | 0
    const t3: i32 = (a3 + this.s3) | 0
    const c0: i32 = carryOut(a0, this.s0, t0)
    const u1: i32 = (t1 + c0) | 0
    const c1: i32 = carryOut(a1, this.s1, t1) | carryOut(t1, c0, u1)
    const u2: i32 = (t2 + c1) | 0
    const c2: i32 = carryOut(a2, this.s2, t2) | carryOut(t2, c1, u2)
    tag[0] = t0
    tag[1] = u1
    tag[2] = u2
    tag[3] = (t3 + c2) | 0
  }
}

/** 1 where the unsigned sum of two words did not fit in 32 bits, else 0. */
function carryOut(a: i32, b: i32, sum: i32): i32 {
  return ((a & b) | ((a | b) & ~sum)) >>> 31
}
