/*
 * A fuzzer's way into the device (libFuzzer): the first byte chooses how far the connection has come and what kind it is,
 * the rest is a list of steps: messages, sealed where there is Noise, raw bytes, ticks, and what a firmware asks for.
 *
 * Each stage is made once and kept as a copy of the instance, so that a run begins behind the handshake at no cost.
 */
#include <stdio.h>
#include <stdlib.h>

#define STAGES 6
#define KINDS 4

static sluice *device;
static sluice snapshots[KINDS][STAGES];
static uint64_t place[(SLUICE_SIZE + 7) / 8];

#define expect(condition) \
  do { \
    if (!(condition)) fprintf(stderr, "expected %s\n", #condition), abort(); \
  } while (0)

/* Takes all events and looks at all that can be looked at. */
static void drain(void) {
  sluice_event event;
  while (sluice_next_event(device, &event)) {
    expect(event.kind >= SLUICE_EVENT_CONNECTED && event.kind <= SLUICE_EVENT_FAILED);
    uint32_t sum = 0;
    for (size_t i = 0; i < event.text_length; i++) sum += (uint8_t)event.text[i];
    expect(sum <= 255 * event.text_length);
    if (event.kind == SLUICE_EVENT_FAILED) {
      expect(sluice_current_state(device) == SLUICE_STATE_IDLE);
      expect(sluice_rule_name(event.rule)[0] != 0 && event.rule != SLUICE_RULE_NONE);
    }
  }
  sluice_work work;
  if (sluice_current_work(device, &work)) {
    expect(sluice_current_state(device) == SLUICE_STATE_MINING);
    expect(work.min_ntime <= work.max_ntime);
    expect((work.version_mask & ~0x1fffffe0u) == 0);
  } else {
    expect(sluice_current_state(device) != SLUICE_STATE_MINING);
  }
  expect(sluice_pending(device) <= 256);
  expect(sluice_extranonce_size(device) <= 32);
}

/* Hands bytes in, as many at once as `chunk` says. */
static void feed(const uint8_t *bytes, size_t length, size_t chunk) {
  while (length > 0 && sluice_current_state(device) != SLUICE_STATE_IDLE) {
    size_t taken = sluice_receive(device, bytes, length < chunk ? length : chunk);
    /* There is always room after all events were taken. */
    expect(taken > 0);
    bytes += taken;
    length -= taken;
    drain();
  }
}

static void send_all(void) {
  size_t length;
  sluice_send(device, &length);
  expect(length <= 4096);
  sluice_sent(device, length);
}

static bool is_noise;

static void message(uint16_t extension, uint8_t type, const uint8_t *payload, size_t length, size_t chunk) {
  uint8_t *frame = bytes_at(device, module_frameAt(device), 4096);
  uint8_t header[6] = {(uint8_t)extension, (uint8_t)(extension >> 8), type, (uint8_t)length, (uint8_t)(length >> 8), 0};
  if (length > 4000) length = 4000;
  header[3] = (uint8_t)length;
  header[4] = (uint8_t)(length >> 8);
  memcpy(frame, header, 6);
  if (length > 0) memcpy(frame + 6, payload, length);
  static uint8_t copy[8192];
  int sealed = is_noise ? (int)module_seal(device) : -1;
  /* Before the handshake there is no key to seal with. */
  if (sealed < 0) {
    memcpy(copy, frame, 6 + length);
    feed(copy, 6 + length, chunk);
    return;
  }
  memcpy(copy, bytes_at(device, module_sealedAt(device), (u32)sealed), (size_t)sealed);
  feed(copy, (size_t)sealed, chunk);
}

/* SetupConnection.Success, version 2, no flags. */
static const uint8_t setup_success[6] = {2, 0, 0, 0, 0, 0};
/* OpenStandardMiningChannel.Success: request 1, channel 7, any target, prefix of 4 bytes, group 9. */
static const uint8_t standard_success[49] = {1, 0, 0, 0, 7, 0, 0, 0, [8] = 255, [39] = 127, [40] = 4, 1, 2, 3, 4, 9};
/* OpenExtendedMiningChannel.Success: request 1, channel 7, a target, 8 bytes to roll, prefix of 4 bytes, group 9. */
static const uint8_t extended_success[51] = {1, 0, 0, 0, 7, 0, 0, 0, [8] = 255, [39] = 127, [40] = 8, 0, 4, 1, 2, 3, 4, 9};
/* NewMiningJob: channel 7, job 1, future, version, merkle root. */
static const uint8_t standard_job[45] = {7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 32, [13] = 5};
/* NewExtendedMiningJob: channel 7, job 1, future, version, rolling, one merkle node, a coinbase of 42 and 6 bytes. */
static const uint8_t extended_job[] = {7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 32, 1, 1, [15] = 3, [47] = 42, 0, 1, 0, 0, 0, 1,
                                       [91] = 6, 0, 255, 255, 255, 255, 0, 0};
/* SetNewPrevHash: channel 7, job 1, previous hash, ntime, nBits. */
static const uint8_t prev_hash[48] = {7, 0, 0, 0, 1, 0, 0, 0, [8] = 6, [40] = 0, 0, 0, 96, 255, 255, 0, 29};

static void make(int kind, int stage) {
  bool extended = (kind & 1) != 0;
  is_noise = (kind & 2) != 0;
  device = sluice_create(place, sizeof(place));
  expect(device != NULL);
  sluice_config config = {.user = "user", .vendor = "vendor", .plain = !is_noise, .nominal_hashrate = 1e12f};
  config.extended = extended;
  config.min_extranonce_size = 4;
  expect(sluice_configure(device, &config));
  uint8_t random[64];
  memset(random, 3, sizeof(random));
  expect(sluice_connect(device, random, 1800000000, 1000));
  if (stage == 0) return;
  if (is_noise) {
    uint8_t act2[234];
    memcpy(act2, bytes_at(device, module_respond(device), 234), 234);
    send_all();
    feed(act2, sizeof(act2), sizeof(act2));
  }
  send_all();
  expect(sluice_current_state(device) == SLUICE_STATE_SETTING_UP);
  if (stage == 1) return;
  message(0, 1, setup_success, sizeof(setup_success), 4096);
  send_all();
  expect(sluice_current_state(device) == SLUICE_STATE_OPENING);
  if (stage == 2) return;
  if (extended) message(0, 0x14, extended_success, sizeof(extended_success), 4096);
  else message(0, 0x11, standard_success, sizeof(standard_success), 4096);
  expect(sluice_current_state(device) == SLUICE_STATE_OPEN);
  if (stage == 3) return;
  if (extended) message(0x8000, 0x1f, extended_job, sizeof(extended_job), 4096);
  else message(0x8000, 0x15, standard_job, sizeof(standard_job), 4096);
  if (stage == 4) return;
  message(0x8000, 0x20, prev_hash, sizeof(prev_hash), 4096);
  expect(sluice_current_state(device) == SLUICE_STATE_MINING);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  for (int kind = 0; kind < KINDS; kind++) {
    for (int stage = 0; stage < STAGES; stage++) {
      make(kind, stage);
      snapshots[kind][stage] = *device;
    }
  }
  return 0;
}

typedef struct {
  const uint8_t *at, *end;
} input;

static uint32_t number(input *from, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes && from->at < from->end; i++) value |= (uint32_t)*from->at++ << (8 * i);
  return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  input in = {bytes, bytes + size};
  uint32_t start = number(&in, 1);
  is_noise = (start & 2) != 0;
  *device = snapshots[start & 3][((start >> 2) & 15) % STAGES];
  static const size_t chunks[4] = {1, 7, 300, 8192};
  size_t chunk = chunks[start >> 6];
  uint32_t now = 1000;
  while (in.at < in.end) {
    uint32_t step = number(&in, 1);
    uint8_t extranonce[32];
    memset(extranonce, (int)step, sizeof(extranonce));
    size_t left = (size_t)(in.end - in.at);
    size_t length;
    switch (step & 15) {
      case 0: /* any extension */
      case 1:
      case 2:
      case 3:
      case 4:
      case 5: {
        uint16_t extension = (step & 15) == 0 ? (uint16_t)number(&in, 2) : (step & 15) < 4 ? 0x8000 : 0;
        uint8_t type = (uint8_t)number(&in, 1);
        length = (step & 16) != 0 ? number(&in, 2) % 4001 : number(&in, 1);
        left = (size_t)(in.end - in.at);
        if (length > left) length = left;
        message(extension, type, in.at, length, chunk);
        in.at += length;
        break;
      }
      case 6:
      case 7:
        length = number(&in, 1);
        left = (size_t)(in.end - in.at);
        if (length > left) length = left;
        feed(in.at, length, chunk);
        in.at += length;
        break;
      case 8:
        now += number(&in, 2);
        sluice_tick(device, now);
        drain();
        break;
      case 9: {
        uint32_t job = number(&in, 1), ntime = 0x60000000u + number(&in, 1), version = 0x20000000u + (number(&in, 1) << 13);
        if ((step & 16) != 0) sluice_submit(device, job, step, ntime, version);
        else sluice_submit_extended(device, job, step, ntime, version, extranonce);
        break;
      }
      case 10:
        sluice_open_channel(device);
        break;
      case 11:
        sluice_update_channel(device, 1e9f, NULL);
        break;
      case 12:
        sluice_close_channel(device, "reason");
        break;
      case 13:
        sluice_roll_extranonce(device, extranonce);
        break;
      case 14: {
        size_t waiting;
        sluice_send(device, &waiting);
        sluice_sent(device, (step & 16) != 0 ? waiting : number(&in, 1));
        break;
      }
      default: {
        uint8_t midstate[32];
        sluice_midstate(device, step, midstate);
        if ((step & 0xe0) == 0xe0) sluice_disconnect(device);
      }
    }
    drain();
  }
  return 0;
}
