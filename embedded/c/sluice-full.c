/* sluice-full.h over the module's exports. */

uint8_t *sluice_buffer(sluice *instance) {
  return bytes_at(instance, module_bufferAt(instance), SLUICE_BUFFER);
}

int32_t sluice_decode(sluice *instance, uint32_t message, uint32_t from, uint32_t end) {
  return (int32_t)module_decodeMessage(instance, message, from, end);
}

int32_t sluice_encode(sluice *instance, uint32_t message, uint32_t from, uint32_t end) {
  return (int32_t)module_encodeMessage(instance, message, from, end);
}

uint32_t sluice_word(sluice *instance, uint32_t message, uint32_t word) {
  return module_messageWord(instance, message, word);
}

void sluice_set_word(sluice *instance, uint32_t message, uint32_t word, uint32_t value) {
  module_setMessageWord(instance, message, word, value);
}

/* The exchange has 512 bytes: what goes in and what comes out have places of their own in it. */
enum { FIRST_AT = 0, RANDOM_AT = 64, CERTIFICATE_AT = 128, ACT2_AT = 128, AUTHORITY_AT = 384 };

static u32 put_at(sluice *instance, u32 place, const uint8_t *bytes, u32 length) {
  u32 where = module_exchangeAt(instance) + place;
  memcpy(bytes_at(instance, where, length), bytes, length);
  return where;
}

static u32 put_random(sluice *instance, uint8_t random[64]) {
  u32 where = put_at(instance, RANDOM_AT, random, 64);
  volatile uint8_t *wiped = random;
  for (int i = 0; i < 64; i++) wiped[i] = 0;
  return where;
}

void sluice_server_key(sluice *instance, const uint8_t secret[32], const uint8_t key[64],
                       const uint8_t certificate[SLUICE_CERTIFICATE_SIZE]) {
  u32 first = put_at(instance, FIRST_AT, secret, 32);
  u32 second = put_at(instance, RANDOM_AT, key, 64);
  u32 third = put_at(instance, CERTIFICATE_AT, certificate, SLUICE_CERTIFICATE_SIZE);
  module_setServerKey(instance, first, second, third);
  memset(bytes_at(instance, first, 32), 0, 32);
}

int32_t sluice_respond(sluice *instance, const uint8_t act1[SLUICE_ACT1_SIZE], uint8_t random[64],
                       uint8_t act2[SLUICE_ACT2_SIZE]) {
  u32 first = put_at(instance, FIRST_AT, act1, SLUICE_ACT1_SIZE);
  u32 second = put_random(instance, random);
  u32 answer = module_exchangeAt(instance) + ACT2_AT;
  int32_t code = (int32_t)module_respond(instance, first, second, answer);
  if (code == 0) memcpy(act2, bytes_at(instance, answer, SLUICE_ACT2_SIZE), SLUICE_ACT2_SIZE);
  return code;
}

int32_t sluice_initiate(sluice *instance, uint8_t random[64], uint8_t act1[SLUICE_ACT1_SIZE]) {
  u32 answer = module_exchangeAt(instance) + FIRST_AT;
  int32_t code = (int32_t)module_initiate(instance, put_random(instance, random), answer);
  if (code == 0) memcpy(act1, bytes_at(instance, answer, SLUICE_ACT1_SIZE), SLUICE_ACT1_SIZE);
  return code;
}

int32_t sluice_finish(sluice *instance, const uint8_t act2[SLUICE_ACT2_SIZE], const uint8_t authority_key[32],
                      uint32_t unix_seconds, uint32_t tolerance_seconds) {
  u32 first = put_at(instance, ACT2_AT, act2, SLUICE_ACT2_SIZE);
  u32 second = put_at(instance, AUTHORITY_AT, authority_key, 32);
  return (int32_t)module_finishHandshake(instance, first, second, unix_seconds, tolerance_seconds);
}

void sluice_close(sluice *instance) {
  module_closeNoise(instance);
}

int32_t sluice_seal(sluice *instance, bool server, uint32_t from, uint32_t to) {
  return (int32_t)module_sealFrame(instance, server, from, to);
}

bool sluice_open_header(sluice *instance, bool server, uint32_t at) {
  return module_openHeader(instance, server, at) != 0;
}

bool sluice_open_payload(sluice *instance, bool server, uint32_t at, uint32_t length) {
  return module_openPayload(instance, server, at, length) != 0;
}
