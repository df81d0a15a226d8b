/*
 * Two instances of profile full, a server and a client, over a wire that is a memcpy: a handshake, and a SetupConnection
 * through both codecs. Arguments in hex: the server's static secret, encoding and certificate, the authority's key.
 */
#include "sluice-full.h"

#include <stdio.h>
#include <string.h>

static uint64_t server_memory[SLUICE_SIZE / 8], client_memory[SLUICE_SIZE / 8];

static void from_hex(const char *text, uint8_t *out) {
  unsigned value;
  for (; sscanf(text, "%2x", &value) == 1; text += 2) *out++ = (uint8_t)value;
}

#define CHECK(condition)                                     \
  if (!(condition)) {                                        \
    printf("line %d: expected %s\n", __LINE__, #condition); \
    return 1;                                                \
  }

int main(int count, char **arguments) {
  uint8_t secret[32], key[64], certificate[SLUICE_CERTIFICATE_SIZE], authority[32];
  uint8_t random[64], act1[SLUICE_ACT1_SIZE], act2[SLUICE_ACT2_SIZE];
  CHECK(count == 5);
  from_hex(arguments[1], secret);
  from_hex(arguments[2], key);
  from_hex(arguments[3], certificate);
  from_hex(arguments[4], authority);

  sluice *server = sluice_create(server_memory, sizeof server_memory);
  sluice *client = sluice_create(client_memory, sizeof client_memory);
  CHECK(server != NULL && client != NULL);
  CHECK(sluice_seal(server, true, 0, 100) == -1);
  sluice_server_key(server, secret, key, certificate);

  memset(random, 1, 64);
  CHECK(sluice_initiate(client, random, act1) == 0);
  CHECK(random[0] == 0 && random[63] == 0);
  memset(random, 2, 64);
  CHECK(sluice_respond(server, act1, random, act2) == 0);
  act2[200] ^= 1;
  CHECK(sluice_finish(client, act2, authority, 1700000001, 10) != 0);
  act2[200] ^= 1;

  memset(random, 1, 64);
  CHECK(sluice_initiate(client, random, act1) == 0);
  CHECK(sluice_finish(client, act2, authority, 1700000001, 10) == 0);

  /* A frame at 0 with its payload behind the header, texts at 1000, the sealed frame at 2000. */
  uint8_t *buffer = sluice_buffer(client);
  memcpy(buffer + 1000, "pool.example", 12);
  const uint32_t message = SLUICE_SETUP_CONNECTION;
  sluice_set_word(client, message, SLUICE_SETUP_CONNECTION__MIN_VERSION, 2);
  sluice_set_word(client, message, SLUICE_SETUP_CONNECTION__MAX_VERSION, 2);
  sluice_set_word(client, message, SLUICE_SETUP_CONNECTION__ENDPOINT_HOST_AT, 1000);
  sluice_set_word(client, message, SLUICE_SETUP_CONNECTION__ENDPOINT_HOST_LENGTH, 12);
  sluice_set_word(client, message, SLUICE_SETUP_CONNECTION__ENDPOINT_PORT, 3333);
  int32_t end = sluice_encode(client, message, 6, SLUICE_BUFFER);
  CHECK(end > 6);
  const uint8_t header[6] = {0, 0, SLUICE_SETUP_CONNECTION_MSG_TYPE, (uint8_t)(end - 6), 0, 0};
  memcpy(buffer, header, 6);
  int32_t size = sluice_seal(client, false, 0, 2000);
  CHECK(size == 22 + end - 6 + 16);

  uint8_t *received = sluice_buffer(server);
  memcpy(received, buffer + 2000, (size_t)size);
  CHECK(sluice_open_header(server, true, 0));
  CHECK(memcmp(received, header, 6) == 0);
  CHECK(sluice_open_payload(server, true, 22, received[3]));
  CHECK(sluice_decode(server, message, 22, 22u + received[3]) == 22 + received[3]);
  uint32_t place = sluice_word(server, message, SLUICE_SETUP_CONNECTION__ENDPOINT_HOST_AT);
  uint32_t length = sluice_word(server, message, SLUICE_SETUP_CONNECTION__ENDPOINT_HOST_LENGTH);
  uint32_t port = sluice_word(server, message, SLUICE_SETUP_CONNECTION__ENDPOINT_PORT);
  printf("%.*s:%u\n", (int)length, (const char *)received + place, (unsigned)port);

  /* One that was changed on its way is not opened, and without keys nothing is sealed. */
  CHECK(sluice_seal(client, false, 0, 2000) == size);
  memcpy(received, buffer + 2000, (size_t)size);
  received[30] ^= 1;
  CHECK(sluice_open_header(server, true, 0));
  CHECK(!sluice_open_payload(server, true, 22, received[3]));
  sluice_close(client);
  CHECK(sluice_seal(client, false, 0, 2000) == -1);
  return 0;
}
