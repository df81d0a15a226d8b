/* sluice.h over the module's exports: numbers and addresses in the instance's memory become structs and pointers. */

static u8 *bytes_at(sluice *device, u32 where, u32 length) {
  return range(&device->w2c_memory, where, length);
}

/* Puts bytes where the module looks for them. */
static u32 put(sluice *device, const uint8_t *bytes, u32 length) {
  u32 where = module_exchangeAt(device);
  /* Of no bytes, the address may be NULL, which memcpy does not take. */
  if (length > 0) memcpy(bytes_at(device, where, length), bytes, length);
  return where;
}

static bool set_text(sluice *device, u32 which, const char *text) {
  size_t length = text == NULL ? 0 : strlen(text);
  if (length > 255) return false;
  return module_setText(device, which, put(device, (const uint8_t *)text, (u32)length), (u32)length) != 0;
}

static void set_max_target(sluice *device, const uint8_t *target) {
  u32 where = module_exchangeAt(device);
  if (target == NULL) memset(bytes_at(device, where, 32), 255, 32);
  else put(device, target, 32);
  module_setMaxTarget(device, where);
}

sluice *sluice_create(void *memory, size_t size) {
  sluice *device = (sluice *)memory;
  if (memory == NULL || size < sizeof(sluice) || ((uintptr_t)memory & 7) != 0) return NULL;
  module_instantiate(device);
#ifdef SLUICE_FULL
  if (module_createBuffer(device, SLUICE_BUFFER) == 0) return NULL;
#endif
  return module_create(device, SLUICE_MAX_PAYLOAD) != 0 ? device : NULL;
}

bool sluice_configure(sluice *device, const sluice_config *config) {
  module_setPort(device, config->port);
  module_setFlags(device, config->flags);
  module_setNominalHashRate(device, config->nominal_hashrate);
  set_max_target(device, config->max_target);
  module_setAuthorityKey(device, put(device, config->authority_key, 32));
  module_setPlain(device, config->plain);
  module_setTimeout(device, config->timeout_ms == 0 ? 30000 : config->timeout_ms);
  module_setClockTolerance(device, config->clock_tolerance_s == 0 ? 10 : config->clock_tolerance_s);
#ifdef SLUICE_EXTENDED
  module_setExtended(device, config->extended, config->min_extranonce_size);
#endif
  return set_text(device, 0, config->user) && set_text(device, 1, config->vendor) &&
         set_text(device, 2, config->hardware) && set_text(device, 3, config->firmware) &&
         set_text(device, 4, config->device_id) && set_text(device, 5, config->host);
}

bool sluice_authority_key(sluice *device, const char *text, uint8_t key[32]) {
  static const char digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  /* Version 01 00, key, checksum. */
  uint8_t bytes[38] = {0};
  /* A leading 1 is a leading byte of 0, and the first byte is the version's. */
  if (*text == 0 || *text == '1') return false;
  for (; *text != 0; text++) {
    const char *digit = strchr(digits, *text);
    if (digit == NULL) return false;
    u32 carry = (u32)(digit - digits);
    for (int i = 37; i >= 0; i--) {
      carry += 58u * bytes[i];
      bytes[i] = (uint8_t)carry;
      carry >>= 8;
    }
    if (carry != 0) return false;
  }
  if (bytes[0] != 1 || bytes[1] != 0) return false;
  u32 where = put(device, bytes, 34), checksum = where + 64;
  module_hashTwice(device, where, 34, checksum);
  for (u32 i = 0; i < 4; i++) {
    if (bytes[34 + i] != *bytes_at(device, checksum + i, 1)) return false;
  }
  memcpy(key, bytes + 2, 32);
  return true;
}

bool sluice_connect(sluice *device, uint8_t random[64], uint32_t unix_seconds, uint32_t now_ms) {
  u32 where = put(device, random, 64);
  volatile uint8_t *wiped = random;
  for (int i = 0; i < 64; i++) wiped[i] = 0;
  return module_connect(device, where, unix_seconds, now_ms) != 0;
}

void sluice_disconnect(sluice *device) {
  module_disconnect(device);
}

void sluice_tick(sluice *device, uint32_t now_ms) {
  module_tick(device, now_ms);
}

size_t sluice_receive(sluice *device, const uint8_t *bytes, size_t length) {
  u32 where = module_receiveAt(device);
  u32 room = module_receiveRoom(device);
  u32 taken = length < room ? (u32)length : room;
  if (taken > 0) memcpy(bytes_at(device, where, taken), bytes, taken);
  module_received(device, taken);
  return taken;
}

const uint8_t *sluice_send(sluice *device, size_t *length) {
  u32 waiting = module_sendLength(device);
  *length = waiting;
  return bytes_at(device, module_sendAt(device), waiting);
}

void sluice_sent(sluice *device, size_t length) {
  module_sent(device, length > 0x7fffffff ? 0x7fffffff : (u32)length);
}

sluice_state sluice_current_state(sluice *device) {
  return (sluice_state)module_state(device);
}

bool sluice_next_event(sluice *device, sluice_event *event) {
  event->kind = (sluice_event_kind)module_nextEvent(device);
  event->rule = (int)module_eventRule(device);
  event->message_type = (int)module_eventMessageType(device);
  event->channel_id = module_eventChannelId(device);
  event->group_channel_id = module_eventGroupChannelId(device);
  event->job_id = module_eventJobId(device);
  event->sequence_number = module_eventSequenceNumber(device);
  event->count = module_eventCount(device);
  event->answered = module_eventAnswered(device);
  event->difficulty_sum = module_eventDifficultySum(device);
  event->flags = module_eventFlags(device);
  event->value = module_eventValue(device);
  event->text_length = module_eventTextLength(device);
  event->text = (const char *)bytes_at(device, module_eventTextAt(device), (u32)event->text_length);
  return event->kind != SLUICE_EVENT_NONE;
}

const char *sluice_rule_name(int rule) {
  static const char *const names[] = {
      "none", "noise-handshake", "authentic-frame", "frame-size", "well-formed-message", "setup-answer-first",
      "used-version", "version-rolling-agreed", "timely-answer", "standard-channels", "", "", "", "", "", "", "", "", "", "",
      "known-request-id", "target-within-maximum", "minimum-extranonce-size", "full-extranonce-size", "unique-channel-id",
      "unique-group-channel-id", "", "no-groups-with-standard-jobs-only", "no-extended-jobs-with-standard-jobs-only",
      "standard-job-for-standard-channel", "extended-job-for-extended-or-group-channel", "unique-job-id",
      "first-job-is-future", "prev-hash-names-future-job", "version-rolling-was-required", "version-is-fixed",
      "strippable-coinbase", "extranonce-prefix-for-channel", "coinbase-transaction"};
  return rule >= 0 && (size_t)rule < sizeof(names) / sizeof(names[0]) ? names[rule] : "";
}

bool sluice_open_channel(sluice *device) {
  return module_openChannel(device) != 0;
}

bool sluice_update_channel(sluice *device, float nominal_hashrate, const uint8_t *max_target) {
  module_setNominalHashRate(device, nominal_hashrate);
  set_max_target(device, max_target);
  return module_updateChannel(device) != 0;
}

bool sluice_close_channel(sluice *device, const char *reason) {
  return set_text(device, 6, reason) && module_closeChannel(device) != 0;
}

bool sluice_current_work(sluice *device, sluice_work *work) {
  if (module_hasWork(device) == 0) return false;
  work->job_id = module_workJobId(device);
  memcpy(work->header, bytes_at(device, module_workHeaderAt(device), 80), 80);
  memcpy(work->target, bytes_at(device, module_workTargetAt(device), 32), 32);
  work->version = module_workVersion(device);
  work->version_mask = module_workVersionMask(device);
  work->min_ntime = module_workMinNtime(device);
  work->max_ntime = module_workMaxNtime(device);
  return true;
}

void sluice_midstate(sluice *device, uint32_t version, uint8_t midstate[32]) {
  u32 where = module_exchangeAt(device);
  module_workMidstate(device, version, where);
  memcpy(midstate, bytes_at(device, where, 32), 32);
}

sluice_submitted sluice_submit(sluice *device, uint32_t job_id, uint32_t nonce, uint32_t ntime, uint32_t version) {
  return (sluice_submitted)module_submit(device, job_id, nonce, ntime, version);
}

uint32_t sluice_sequence_number(sluice *device) {
  return module_sequenceNumber(device);
}

uint32_t sluice_pending(sluice *device) {
  return module_pendingShares(device);
}

#ifdef SLUICE_EXTENDED
uint32_t sluice_extranonce_size(sluice *device) {
  return module_extranonceSize(device);
}

bool sluice_roll_extranonce(sluice *device, const uint8_t *extranonce) {
  return module_rollExtranonce(device, put(device, extranonce, module_extranonceSize(device))) != 0;
}

sluice_submitted sluice_submit_extended(sluice *device, uint32_t job_id, uint32_t nonce, uint32_t ntime, uint32_t version,
                                        const uint8_t *extranonce) {
  u32 where = put(device, extranonce, module_extranonceSize(device));
  return (sluice_submitted)module_submitExtended(device, job_id, nonce, ntime, version, where);
}
#endif

bool sluice_search(sluice *device, const uint8_t header[80], const uint8_t target[32], uint32_t first, uint32_t count,
                   uint32_t *nonce) {
  module_searchHeader(device, put(device, header, 80));
  u32 found = module_search(device, first, count > 0x7fffffff ? 0x7fffffff : count, put(device, target, 32));
  if (found == 0xffffffffu) return false;
  *nonce = first + found;
  return true;
}

void sluice_hash(sluice *device, const uint8_t header[80], uint8_t hash[32]) {
  u32 where = put(device, header, 80);
  module_hashHeader(device, where, where + 80);
  memcpy(hash, bytes_at(device, where + 80, 32), 32);
}
