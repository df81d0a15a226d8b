/*
 * The full profile: what a node, a pool or a proxy in C needs besides. The codecs of all messages, by their numbers in
 * sluice-messages.h, and both ends of a Noise connection (specification, section 4). The same instance is a device, too.
 *
 * Frames and messages lie in the instance's buffer and are named by where they begin in it. One instance serves one
 * connection, and any number of messages.
 */
#ifndef SLUICE_FULL_H
#define SLUICE_FULL_H

#include "sluice-messages.h"
#include "sluice.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_ACT1_SIZE 64
#define SLUICE_ACT2_SIZE 234
#define SLUICE_CERTIFICATE_SIZE 74

/* The SLUICE_BUFFER bytes of the buffer. */
uint8_t *sluice_buffer(sluice *instance);

/* Messages. A word is a number, or the place or the length of a field of bytes; sluice-messages.h names them. */

/* Reads a payload from `from` to `end` into the message's words, and gives the place behind its fields; less than 0 where
 * it ends too early or is none. */
int32_t sluice_decode(sluice *instance, uint32_t message, uint32_t from, uint32_t end);
/* Writes a payload of the message's words, and gives the place behind it; less than 0 where there is no room before `end`
 * or a word is out of range. */
int32_t sluice_encode(sluice *instance, uint32_t message, uint32_t from, uint32_t end);
uint32_t sluice_word(sluice *instance, uint32_t message, uint32_t word);
void sluice_set_word(sluice *instance, uint32_t message, uint32_t word, uint32_t value);

/* Noise. 0 is good; other values are HANDSHAKE_ codes of packages/core/src/handshake.ts. Random bytes must come from a
 * generator made for keys, new for each connection; they are overwritten. */

/* The server's static key, the secret and one of its ElligatorSwift encodings, and its certificate (4.5.3). */
void sluice_server_key(sluice *instance, const uint8_t secret[32], const uint8_t key[64],
                       const uint8_t certificate[SLUICE_CERTIFICATE_SIZE]);
/* The server's part of a handshake. */
int32_t sluice_respond(sluice *instance, const uint8_t act1[SLUICE_ACT1_SIZE], uint8_t random[64],
                       uint8_t act2[SLUICE_ACT2_SIZE]);
/* The client's parts: before act 1 is sent, and when act 2 has come. */
int32_t sluice_initiate(sluice *instance, uint8_t random[64], uint8_t act1[SLUICE_ACT1_SIZE]);
int32_t sluice_finish(sluice *instance, const uint8_t act2[SLUICE_ACT2_SIZE], const uint8_t authority_key[32],
                      uint32_t unix_seconds, uint32_t tolerance_seconds);
/* Forgets the keys of both ends. */
void sluice_close(sluice *instance);

/* Encrypts the plain frame at `from` to `to`, and gives its size there; -1 without a key or room. */
int32_t sluice_seal(sluice *instance, bool server, uint32_t from, uint32_t to);
/* Decrypts a header of 22 bytes in place: its first 6 are the plain header then. False: end the connection. */
bool sluice_open_header(sluice *instance, bool server, uint32_t at);
/* Decrypts a payload in place; `length` is the plain header's. False: end the connection. */
bool sluice_open_payload(sluice *instance, bool server, uint32_t at, uint32_t length);

#ifdef __cplusplus
}
#endif
#endif
