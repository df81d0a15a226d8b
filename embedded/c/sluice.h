/*
 * Stratum V2 for miners: bytes in, bytes out, work out, nonces in. docs/device.md says how to build it in.
 *
 * An instance is one device with one connection and one channel. It has no clock, no socket, no randomness and no heap: all
 * that comes from you, through the arguments. Instances share nothing. An instance is not for two threads at a time.
 *
 * The loop: connect your socket, call sluice_connect, and then, again and again,
 *   - sluice_tick with the time, about once a second or more often;
 *   - send what sluice_send shows, and tell how much of it went with sluice_sent;
 *   - give what you received to sluice_receive, and take events with sluice_next_event until there is none;
 *   - after SLUICE_EVENT_NEW_WORK take the work with sluice_work and hash it; give shares to sluice_submit.
 *
 * Bytes are in the order of the wire: hashes and targets with their least significant byte first.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Memory. */

/*
 * The longest message that is taken in, 512 bytes or more: what you set here costs memory, and a longer message of the
 * Mining Protocol ends the connection. Set it the same for sluice.c and for all who include this header.
 */
#ifndef SLUICE_MAX_PAYLOAD
#ifdef SLUICE_EXTENDED
/* For coinbases of up to 14 KB. The longest job that the specification allows has 139,255. */
#define SLUICE_MAX_PAYLOAD 16384
#else
/* A device with standard jobs gets no message longer than 300. */
#define SLUICE_MAX_PAYLOAD 512
#endif
#endif

#if defined(SLUICE_FULL) && !defined(SLUICE_BUFFER)
/* Of the full profile: room for frames and messages, at most 16,781,349 bytes. */
#define SLUICE_BUFFER 65536
#endif

/* The size of an instance in bytes. Declare its memory as `static uint64_t memory[SLUICE_SIZE / 8]`. */
#if defined(SLUICE_SIZE)
/* You have set it, to more. */
#elif defined(SLUICE_FULL)
#define SLUICE_SIZE (SLUICE_MEMORY_FULL + 4 * (((SLUICE_MAX_PAYLOAD) + 511) / 512 * 512) + ((SLUICE_BUFFER) + 511) / 512 * 512)
#elif defined(SLUICE_EXTENDED)
#define SLUICE_SIZE (SLUICE_MEMORY_EXTENDED + 4 * (((SLUICE_MAX_PAYLOAD) + 511) / 512 * 512))
#else
#define SLUICE_SIZE (SLUICE_MEMORY_HEADER_ONLY + ((SLUICE_MAX_PAYLOAD) + 511) / 512 * 512)
#endif
#define SLUICE_MEMORY_HEADER_ONLY 53248
#define SLUICE_MEMORY_EXTENDED 56320
#define SLUICE_MEMORY_FULL 73728

typedef struct sluice sluice;

/* Makes an instance in SLUICE_SIZE bytes, aligned to 8, which stay yours; it takes some milliseconds on a small processor.
 * NULL where the memory is too small or not aligned. There is nothing to free. */
sluice *sluice_create(void *memory, size_t size);

/* Settings. */

/* Flags of SetupConnection, section 5.3.1. */
#define SLUICE_REQUIRES_STANDARD_JOBS 1u
#define SLUICE_REQUIRES_WORK_SELECTION 2u
#define SLUICE_REQUIRES_VERSION_ROLLING 4u

/* What the device says of itself, and whom it expects. All zero is a good start. Texts end with 0, have at most 255 bytes
 * of UTF-8 and are copied; NULL is the empty text. */
typedef struct {
  /* By which the pool knows whom to pay. */
  const char *user;
  const char *vendor, *hardware, *firmware, *device_id;
  /* The server as you dialled it. */
  const char *host;
  uint16_t port;
  /* The pool's authority key, 32 bytes: sluice_authority_key reads it from its text. */
  uint8_t authority_key[32];
  /* Without encryption, and without knowing who the server is: for tests. The key is not looked at then. */
  bool plain;
  /* SLUICE_REQUIRES_; profile header-only always requires standard jobs. */
  uint32_t flags;
  /* Hashes a second. The pool chooses its first target by it. */
  float nominal_hashrate;
  /* The easiest target that you take, 32 bytes; NULL for any. */
  const uint8_t *max_target;
  /* How long the server may take for each of its answers, in ms; 0 for 30,000. */
  uint32_t timeout_ms;
  /* How far both clocks may be apart for the certificate's dates, in s; 0 for 10. */
  uint32_t clock_tolerance_s;
#ifdef SLUICE_EXTENDED
  /* An extended channel with at least so many bytes of extranonce to roll, instead of a standard one. */
  bool extended;
  uint16_t min_extranonce_size;
#endif
} sluice_config;

/* Sets everything for the next connection (user, hashrate and maximum target: for the next channel). False where a text is
 * too long. */
bool sluice_configure(sluice *device, const sluice_config *config);

/* Reads an authority key as pools publish it, base58check (section 4.7): 32 bytes of key. False where it is none, also
 * where its checksum is wrong because something was mistyped; `key` stays as it was then. */
bool sluice_authority_key(sluice *device, const char *text, uint8_t key[32]);

/* The connection. */

/*
 * Begins a connection, your socket being open. `random` is 64 bytes from a source fit for keys, never used again, and
 * overwritten here. `unix_seconds` is for the certificate's dates, 0 where there is no clock: they are not looked at then.
 * `now_ms` is a clock that may begin anywhere and wraps. What there was before is forgotten. False where the random bytes
 * are no key, which does not happen.
 */
bool sluice_connect(sluice *device, uint8_t random[64], uint32_t unix_seconds, uint32_t now_ms);

/* Forgets the connection and its keys, when your socket is closed. */
void sluice_disconnect(sluice *device);

/* What time it is by the clock of sluice_connect. Events may come of it. */
void sluice_tick(sluice *device, uint32_t now_ms);

/* Takes received bytes and gives how many, 0 where there is no room. Take all events, then hand in the rest. */
size_t sluice_receive(sluice *device, const uint8_t *bytes, size_t length);

/* The bytes to send, `length` of them, there until the next call. */
const uint8_t *sluice_send(sluice *device, size_t *length);

/* So many of them were sent. */
void sluice_sent(sluice *device, size_t length);

typedef enum {
  SLUICE_STATE_IDLE = 0, /* there is no connection, or it is over */
  SLUICE_STATE_SHAKING_HANDS = 1,
  SLUICE_STATE_SETTING_UP = 2,
  SLUICE_STATE_CONNECTED = 3, /* no channel was asked for */
  SLUICE_STATE_OPENING = 4,
  SLUICE_STATE_OPEN = 5, /* no work yet */
  SLUICE_STATE_MINING = 6
} sluice_state;

sluice_state sluice_current_state(sluice *device);

/* Events. In brackets: the fields that are set besides `kind`; others are 0, `message_type` -1. */
typedef enum {
  SLUICE_EVENT_NONE = 0,
  SLUICE_EVENT_CONNECTED = 1,      /* both ends have agreed; the channel is asked for by itself [flags, value: version] */
  SLUICE_EVENT_SETUP_FAILED = 2,   /* the server refused: close the socket [text: error code, flags: unsupported] */
  SLUICE_EVENT_CHANNEL_OPEN = 3,   /* [channel_id, group_channel_id, value: bytes of extranonce to roll] */
  SLUICE_EVENT_OPEN_REFUSED = 4,   /* sluice_open_channel asks again [text: error code] */
  SLUICE_EVENT_JOB_QUEUED = 5,     /* a future job: not mined yet [channel_id, job_id] */
  SLUICE_EVENT_NEW_WORK = 6,       /* take sluice_work [channel_id, job_id, value: 1 where all earlier jobs are stale] */
  SLUICE_EVENT_NEW_TARGET = 7,     /* of later jobs; the present work keeps its own [channel_id] */
  SLUICE_EVENT_SHARES_ACCEPTED = 8, /* [channel_id, sequence_number: the last, count, answered, difficulty_sum] */
  SLUICE_EVENT_SHARE_REFUSED = 9,  /* [channel_id, sequence_number, job_id, text: error code] */
  SLUICE_EVENT_EXTRANONCE_PREFIX = 10, /* later jobs have another one [channel_id] */
  SLUICE_EVENT_GROUP_CHANGED = 11, /* [channel_id, group_channel_id] */
  SLUICE_EVENT_UPDATE_REFUSED = 12, /* [channel_id, text: error code] */
  SLUICE_EVENT_CHANNEL_CLOSED = 13, /* stop hashing; sluice_open_channel asks anew [channel_id, text: reason] */
  SLUICE_EVENT_RECONNECT = 14,     /* to another server, same key [text: host, value: port; empty or 0: as before] */
  SLUICE_EVENT_IGNORED = 15,       /* a message without effect [message_type, value: 1 unknown channel, 2 unknown share] */
  SLUICE_EVENT_FAILED = 16         /* the connection is over: close the socket [rule, value: its detail, message_type] */
} sluice_event_kind;

typedef struct {
  sluice_event_kind kind;
  /* SLUICE_RULE_ that the server broke. */
  int rule;
  /* msg_type of the message, -1 for none. */
  int message_type;
  uint32_t channel_id, group_channel_id, job_id, sequence_number;
  /* Shares, as the server counts. */
  uint32_t count;
  /* Shares that were pending and are answered by this. */
  uint32_t answered;
  /* Of accepted shares, as the server counts. */
  uint64_t difficulty_sum;
  uint32_t flags, value;
  /* What the server sent: any bytes, not printable ones alone, and no 0 at the end. There until sluice_receive. */
  const char *text;
  size_t text_length;
} sluice_event;

/* Writes the next event; false where there is none and more bytes are needed. */
bool sluice_next_event(sluice *device, sluice_event *event);

/* Why a connection failed: what bound the server, and the section. */
typedef enum {
  SLUICE_RULE_NONE = 0,
  SLUICE_RULE_HANDSHAKE = 1,               /* 4.5; the value is SLUICE_HANDSHAKE_ */
  SLUICE_RULE_AUTHENTIC_FRAME = 2,         /* 4.6 */
  SLUICE_RULE_FRAME_SIZE = 3,              /* 3.2; the value is the length, more than SLUICE_MAX_PAYLOAD */
  SLUICE_RULE_WELL_FORMED = 4,             /* 3.1 */
  SLUICE_RULE_SETUP_FIRST = 5,             /* 3.6.1 */
  SLUICE_RULE_USED_VERSION = 6,            /* 3.6.2; the value is the version */
  SLUICE_RULE_VERSION_ROLLING_AGREED = 7,  /* 5.3.1 */
  SLUICE_RULE_TIMEOUT = 8,                 /* the value is the state in which no answer came */
  SLUICE_RULE_STANDARD_CHANNELS = 9,       /* 5.3.1; the server takes extended channels only */
  SLUICE_RULE_KNOWN_REQUEST_ID = 20,       /* 5.3.3 */
  SLUICE_RULE_TARGET_WITHIN_MAXIMUM = 21,  /* 5.3.2 */
  SLUICE_RULE_MINIMUM_EXTRANONCE_SIZE = 22, /* 5.3.4 */
  SLUICE_RULE_FULL_EXTRANONCE_SIZE = 23,   /* 5.1.2.1 */
  SLUICE_RULE_UNIQUE_CHANNEL_ID = 24,      /* 5.2 */
  SLUICE_RULE_UNIQUE_GROUP_CHANNEL_ID = 25, /* 5.2.3 */
  SLUICE_RULE_NO_GROUPS = 27,              /* 5.3.22 */
  SLUICE_RULE_NO_EXTENDED_JOBS = 28,       /* 5.3.1 */
  SLUICE_RULE_STANDARD_JOB = 29,           /* 5.3.15 */
  SLUICE_RULE_EXTENDED_JOB = 30,           /* 5.3.16 */
  SLUICE_RULE_UNIQUE_JOB_ID = 31,          /* 5.3.15 */
  SLUICE_RULE_FIRST_JOB_IS_FUTURE = 32,    /* 5.3.15 */
  SLUICE_RULE_PREV_HASH_NAMES_FUTURE_JOB = 33, /* 5.3.17 */
  SLUICE_RULE_VERSION_ROLLING_REQUIRED = 34, /* 5.3.1 */
  SLUICE_RULE_VERSION_IS_FIXED = 35,       /* 5.3.1 */
  SLUICE_RULE_STRIPPABLE_COINBASE = 36,    /* 5.3.16 */
  SLUICE_RULE_EXTRANONCE_PREFIX_FOR_CHANNEL = 37, /* 5.3.10 */
  SLUICE_RULE_COINBASE = 38                /* 5.3.16; the value is a COINBASE_ code of packages/core/src/coinbase.ts */
} sluice_rule;

/* What was wrong with the handshake. */
typedef enum {
  SLUICE_HANDSHAKE_OK = 0,
  SLUICE_HANDSHAKE_OUT_OF_ORDER = 1,
  SLUICE_HANDSHAKE_TOO_SHORT = 2,
  SLUICE_HANDSHAKE_BAD_SECRET = 3,
  SLUICE_HANDSHAKE_BAD_KEY = 4,
  SLUICE_HANDSHAKE_BAD_STATIC_KEY_TAG = 5,  /* the server does not speak this protocol, or bytes were changed */
  SLUICE_HANDSHAKE_BAD_CERTIFICATE_TAG = 6,
  SLUICE_HANDSHAKE_CERTIFICATE_VERSION = 7,
  SLUICE_HANDSHAKE_BAD_SIGNATURE = 8,       /* the authority key is not this server's */
  SLUICE_HANDSHAKE_NOT_YET_VALID = 9,       /* the server's certificate, or your clock is slow */
  SLUICE_HANDSHAKE_EXPIRED = 10             /* the server's certificate, or your clock is fast */
} sluice_handshake;

/* Names of rules for people, such as "frame-size". */
const char *sluice_rule_name(int rule);

/* The channel. */

/* Asks for a channel after it was refused or closed; false where it cannot now. */
bool sluice_open_channel(sluice *device);
/* Tells the server of another hashrate and easiest target (NULL for any); false where it cannot now. */
bool sluice_update_channel(sluice *device, float nominal_hashrate, const uint8_t *max_target);
/* Closes the channel for a reason of at most 255 bytes; false where there is none. */
bool sluice_close_channel(sluice *device, const char *reason);

/* Work. */

typedef struct {
  uint32_t job_id;
  /* With the first ntime and nonce 0: version at 0, previous hash at 4, merkle root at 36, ntime at 68, nBits at 72, nonce
   * at 76, numbers with the least significant byte first. */
  uint8_t header[80];
  /* A hash at or below it is a share. */
  uint8_t target[32];
  uint32_t version;
  /* The bits of the version that may be changed. */
  uint32_t version_mask;
  /* ntime may be from the first to the last, which goes up with the clock. */
  uint32_t min_ntime, max_ntime;
} sluice_work;

/* Writes what is to be hashed; false where there is nothing. */
bool sluice_current_work(sluice *device, sluice_work *work);
/* Writes the SHA-256 state after the first 64 bytes of the work's header with this version: 8 words, big-endian. */
void sluice_midstate(sluice *device, uint32_t version, uint8_t midstate[32]);

/* Shares. */

typedef enum {
  SLUICE_SUBMIT_SENT = 0,
  SLUICE_SUBMIT_NO_CHANNEL = 1,
  SLUICE_SUBMIT_STALE = 2,   /* the job is of an earlier previous hash */
  SLUICE_SUBMIT_VERSION = 3, /* changed in bits that may not be */
  SLUICE_SUBMIT_NTIME = 4,   /* before the first or after the last */
  SLUICE_SUBMIT_NO_ROOM = 5, /* send what waits first */
  SLUICE_SUBMIT_EXTRANONCE = 6 /* not as many bytes as the channel rolls */
} sluice_submitted;

sluice_submitted sluice_submit(sluice *device, uint32_t job_id, uint32_t nonce, uint32_t ntime, uint32_t version);
/* Of the share that was submitted last. */
uint32_t sluice_sequence_number(sluice *device);
/* How many shares have no answer yet. */
uint32_t sluice_pending(sluice *device);

#ifdef SLUICE_EXTENDED
/* Bytes of extranonce that the device rolls, at most 32; 0 on a standard channel. */
uint32_t sluice_extranonce_size(sluice *device);
/* Puts the merkle root for this extranonce (so many bytes) into the work's header, which begins with zeros. */
bool sluice_roll_extranonce(sluice *device, const uint8_t *extranonce);
sluice_submitted sluice_submit_extended(sluice *device, uint32_t job_id, uint32_t nonce, uint32_t ntime, uint32_t version,
                                        const uint8_t *extranonce);
#endif

/* Hashing in software: for tests, and to check what the hardware finds. */

/* Tries `count` nonces of a header from `first` on; true where one meets the target, which is written to `nonce`. */
bool sluice_search(sluice *device, const uint8_t header[80], const uint8_t target[32], uint32_t first, uint32_t count,
                   uint32_t *nonce);
/* Writes the hash of a header. */
void sluice_hash(sluice *device, const uint8_t header[80], uint8_t hash[32]);

#ifdef __cplusplus
}
#endif

#endif
