/*
 * A miner's main loop without an operating system: no call leaves this file but those of `bare_host`, no memory is taken
 * but the static one. Call `bare_step` for ever.
 */
#ifndef BARE_LOOP_H
#define BARE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What your board has. */
typedef struct {
  /* Opens the transport; false to be asked again later. */
  bool (*open)(void);
  void (*close)(void);
  /* Bytes received or sent, at most `length`, 0 for none now, -1 where the connection is lost. They do not wait. */
  int (*receive)(uint8_t *bytes, size_t length);
  int (*send)(const uint8_t *bytes, size_t length);
  /* Bytes fit for keys. */
  void (*random)(uint8_t *bytes, size_t length);
  /* A clock that may begin anywhere, and the time since 1970, 0 where nobody knows it. */
  uint32_t (*milliseconds)(void);
  uint32_t (*unix_seconds)(void);
  /* Something happened: SLUICE_EVENT_ and its rule or 0. For a display or a log; may be NULL. */
  void (*told)(int event, int rule);
} bare_host;

/* Begins; false where a setting is too long, or the text is no authority key. */
bool bare_start(const bare_host *host, const char *user, const char *authority_key);

/* Does what there is to do, and hashes a little in software where a board would ask its chips. */
void bare_step(void);

/* Shares that were accepted so far. */
uint32_t bare_accepted(void);

#endif
