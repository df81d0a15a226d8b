/**
 * The ChaCha20 block function (RFC 8439, 2.3), unrolled on local variables: the compiler keeps the state in registers,
 * where an indexed array would be read and written at every step. The test beside it has the plain form.
 */

function rotl(x: i32, n: i32): i32 {
  return (x << n) | (x >>> (32 - n))
}

/**
 * Writes one block of key stream, 16 words, to `out`. `key` is 8 words; all words are little-endian readings of the
 * bytes they stand for.
 */
export function chacha20Block(
  key: Int32Array,
  counter: i32,
  nonce0: i32,
  nonce1: i32,
  nonce2: i32,
  out: Int32Array
): void {
  let x0: i32 = 0x61707865
  let x1: i32 = 0x3320646e
  let x2: i32 = 0x79622d32
  let x3: i32 = 0x6b206574
  let x4: i32 = key[0]
  let x5: i32 = key[1]
  let x6: i32 = key[2]
  let x7: i32 = key[3]
  let x8: i32 = key[4]
  let x9: i32 = key[5]
  let x10: i32 = key[6]
  let x11: i32 = key[7]
  let x12: i32 = counter
  let x13: i32 = nonce0
  let x14: i32 = nonce1
  let x15: i32 = nonce2
  for (let i: i32 = 0; i < 10; i++) {
    // QUARTERROUND(0, 4, 8, 12)
    x0 = (x0 + x4) | 0
    x12 = rotl(x12 ^ x0, 16)
    x8 = (x8 + x12) | 0
    x4 = rotl(x4 ^ x8, 12)
    x0 = (x0 + x4) | 0
    x12 = rotl(x12 ^ x0, 8)
    x8 = (x8 + x12) | 0
    x4 = rotl(x4 ^ x8, 7)
    // QUARTERROUND(1, 5, 9, 13)
    x1 = (x1 + x5) | 0
    x13 = rotl(x13 ^ x1, 16)
    x9 = (x9 + x13) | 0
    x5 = rotl(x5 ^ x9, 12)
    x1 = (x1 + x5) | 0
    x13 = rotl(x13 ^ x1, 8)
    x9 = (x9 + x13) | 0
    x5 = rotl(x5 ^ x9, 7)
    // QUARTERROUND(2, 6, 10, 14)
    x2 = (x2 + x6) | 0
    x14 = rotl(x14 ^ x2, 16)
    x10 = (x10 + x14) | 0
    x6 = rotl(x6 ^ x10, 12)
    x2 = (x2 + x6) | 0
    x14 = rotl(x14 ^ x2, 8)
    x10 = (x10 + x14) | 0
    x6 = rotl(x6 ^ x10, 7)
    // QUARTERROUND(3, 7, 11, 15)
    x3 = (x3 + x7) | 0
    x15 = rotl(x15 ^ x3, 16)
    x11 = (x11 + x15) | 0
    x7 = rotl(x7 ^ x11, 12)
    x3 = (x3 + x7) | 0
    x15 = rotl(x15 ^ x3, 8)
    x11 = (x11 + x15) | 0
    x7 = rotl(x7 ^ x11, 7)
    // QUARTERROUND(0, 5, 10, 15)
    x0 = (x0 + x5) | 0
    x15 = rotl(x15 ^ x0, 16)
    x10 = (x10 + x15) | 0
    x5 = rotl(x5 ^ x10, 12)
    x0 = (x0 + x5) | 0
    x15 = rotl(x15 ^ x0, 8)
    x10 = (x10 + x15) | 0
    x5 = rotl(x5 ^ x10, 7)
    // QUARTERROUND(1, 6, 11, 12)
    x1 = (x1 + x6) | 0
    x12 = rotl(x12 ^ x1, 16)
    x11 = (x11 + x12) | 0
    x6 = rotl(x6 ^ x11, 12)
    x1 = (x1 + x6) | 0
    x12 = rotl(x12 ^ x1, 8)
    x11 = (x11 + x12) | 0
    x6 = rotl(x6 ^ x11, 7)
    // QUARTERROUND(2, 7, 8, 13)
    x2 = (x2 + x7) | 0
    x13 = rotl(x13 ^ x2, 16)
    x8 = (x8 + x13) | 0
    x7 = rotl(x7 ^ x8, 12)
    x2 = (x2 + x7) | 0
    x13 = rotl(x13 ^ x2, 8)
    x8 = (x8 + x13) | 0
    x7 = rotl(x7 ^ x8, 7)
    // QUARTERROUND(3, 4, 9, 14)
    x3 = (x3 + x4) | 0
    x14 = rotl(x14 ^ x3, 16)
    x9 = (x9 + x14) | 0
    x4 = rotl(x4 ^ x9, 12)
    x3 = (x3 + x4) | 0
    x14 = rotl(x14 ^ x3, 8)
    x9 = (x9 + x14) | 0
    x4 = rotl(x4 ^ x9, 7)
  }
  out[0] = (x0 + 0x61707865) | 0
  out[1] = (x1 + 0x3320646e) | 0
  out[2] = (x2 + 0x79622d32) | 0
  out[3] = (x3 + 0x6b206574) | 0
  out[4] = (x4 + key[0]) | 0
  out[5] = (x5 + key[1]) | 0
  out[6] = (x6 + key[2]) | 0
  out[7] = (x7 + key[3]) | 0
  out[8] = (x8 + key[4]) | 0
  out[9] = (x9 + key[5]) | 0
  out[10] = (x10 + key[6]) | 0
  out[11] = (x11 + key[7]) | 0
  out[12] = (x12 + counter) | 0
  out[13] = (x13 + nonce0) | 0
  out[14] = (x14 + nonce1) | 0
  out[15] = (x15 + nonce2) | 0
}
