/*
 * Measures the device in C: prints `name nanoseconds` a line. With -DREFERENCE also libsecp256k1's parts of a handshake.
 * `plain` is SHA-256 as anybody would write it: what hashing in the module is compared with.
 */
#include <stdio.h>
#include <time.h>

#define LOAD(p) ((u32)(p)[0] << 24 | (u32)(p)[1] << 16 | (u32)(p)[2] << 8 | (p)[3])
#define RIGHT(x, n) ((x) >> (n) | (x) << (32 - (n)))

static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const u32 START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static void compress(u32 state[8], const u32 block[16]) {
  u32 w[64], a = state[0], b = state[1], c = state[2], d = state[3];
  u32 e = state[4], f = state[5], g = state[6], h = state[7];
  memcpy(w, block, 64);
  for (int i = 16; i < 64; i++) {
    u32 x = w[i - 15], y = w[i - 2];
    w[i] = w[i - 16] + w[i - 7] + (RIGHT(x, 7) ^ RIGHT(x, 18) ^ x >> 3) + (RIGHT(y, 17) ^ RIGHT(y, 19) ^ y >> 10);
  }
#define ROUND(a, b, c, d, e, f, g, h, i) \
  h += (RIGHT(e, 6) ^ RIGHT(e, 11) ^ RIGHT(e, 25)) + (g ^ (e & (f ^ g))) + K[i] + w[i]; \
  d += h; \
  h += (RIGHT(a, 2) ^ RIGHT(a, 13) ^ RIGHT(a, 22)) + ((a & b) | (c & (a | b)))
  for (int i = 0; i < 64; i += 8) {
    ROUND(a, b, c, d, e, f, g, h, i);
    ROUND(h, a, b, c, d, e, f, g, i + 1);
    ROUND(g, h, a, b, c, d, e, f, i + 2);
    ROUND(f, g, h, a, b, c, d, e, i + 3);
    ROUND(e, f, g, h, a, b, c, d, i + 4);
    ROUND(d, e, f, g, h, a, b, c, i + 5);
    ROUND(c, d, e, f, g, h, a, b, i + 6);
    ROUND(b, c, d, e, f, g, h, a, i + 7);
  }
  const u32 added[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; i++) state[i] += added[i];
}

/* As the module does: the first 64 bytes once, then two blocks for each nonce. */
static u32 plain_search(const uint8_t header[80], u32 first, u32 count) {
  u32 midstate[8], block[16] = {0}, hits = 0;
  memcpy(midstate, START, 32);
  for (int i = 0; i < 16; i++) block[i] = LOAD(header + 4 * i);
  compress(midstate, block);
  for (u32 nonce = first; nonce != first + count; nonce++) {
    u32 state[8], second[16] = {0};
    memset(block, 0, sizeof(block));
    for (int i = 0; i < 3; i++) block[i] = LOAD(header + 64 + 4 * i);
    block[3] = __builtin_bswap32(nonce);
    block[4] = 0x80000000;
    block[15] = 640;
    memcpy(state, midstate, 32);
    compress(state, block);
    memcpy(second, state, 32);
    second[8] = 0x80000000;
    second[15] = 256;
    memcpy(state, START, 32);
    compress(state, second);
    hits += state[7] == 0;
  }
  return hits;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* The best of several rounds: other programs make it worse, never better. */
#define MEASURE(name, count, statement) \
  do { \
    double best = 1e30; \
    for (int round = 0; round < 9; round++) { \
      double begin = now(); \
      for (int i = 0; i < (count); i++) statement; \
      double each = (now() - begin) / (count); \
      if (each < best) best = each; \
    } \
    printf("%s %.0f\n", name, best); \
  } while (0)

#ifdef REFERENCE
#include <secp256k1.h>
#include <secp256k1_ecdh.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>
#endif

int main(void) {
  static uint64_t memory[SLUICE_SIZE / 8];
  sluice *device = sluice_create(memory, sizeof(memory));
  uint8_t header[80] = {1}, target[32] = {0}, secret[32], entropy[32];
  u32 nonce, hits = 0;
  memset(secret, 1, 32);
  memset(entropy, 2, 32);
  MEASURE("module-create", 20, sluice_create(memory, sizeof(memory)));
  MEASURE("module-header-1000", 20, hits += sluice_search(device, header, target, 1000u * (u32)i, 1000, &nonce));
  MEASURE("plain-header-1000", 20, hits += plain_search(header, 1000u * (u32)i, 1000));
  /* Whole handshakes, both ends. The certificate is signed for something else: that shows when all the work is done. */
  u32 random = module_exchangeAt(device), act1 = random + 64, act2 = act1 + 64, certificate = act2 + 234, x = certificate + 74;
  memcpy(bytes_at(device, random, 32), secret, 32);
  memcpy(bytes_at(device, random + 32, 32), entropy, 32);
  module_createEllSwift(device, random, random + 32, act1);
  module_xOnly(device, act1, x);
  memset(bytes_at(device, certificate, 74), 0, 74);
  module_sign(device, random + 32, random, random + 32, certificate + 10);
  module_setServerKey(device, random, act1, certificate);
#define RANDOM() memset(bytes_at(device, random, 64), i + 1, 64)
  MEASURE("module-initiate", 10, (RANDOM(), hits += module_initiate(device, random, act1)));
  MEASURE("module-respond", 10, (RANDOM(), hits += module_respond(device, act1, random, act2)));
  MEASURE("module-both", 10,
          (RANDOM(), hits += module_initiate(device, random, act1), RANDOM(),
           hits += module_respond(device, act1, random, act2),
           hits += module_finishHandshake(device, act2, x, 0, 0xffffffff) == 8 ? 0 : 1000000));
#ifdef REFERENCE
  secp256k1_context *context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
  secp256k1_pubkey key;
  secp256k1_keypair pair;
  secp256k1_xonly_pubkey xonly;
  uint8_t out[64];
  hits += secp256k1_keypair_create(context, &pair, secret);
  hits += secp256k1_keypair_xonly_pub(context, &xonly, NULL, &pair);
  MEASURE("reference-key", 200, hits += secp256k1_ec_pubkey_create(context, &key, secret));
  MEASURE("reference-ecdh", 200, hits += secp256k1_ecdh(context, out, &key, secret, NULL, NULL));
  hits += secp256k1_schnorrsig_sign32(context, out, entropy, &pair, entropy);
  MEASURE("reference-verify", 200, hits += secp256k1_schnorrsig_verify(context, out, entropy, 32, &xonly));
  MEASURE("reference-sign", 200, hits += secp256k1_schnorrsig_sign32(context, out, entropy, &pair, entropy));
#endif
  return hits >= 1000000;
}
