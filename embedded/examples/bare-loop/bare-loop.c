#include "bare-loop.h"

#include "sluice.h"

#define NONCES_A_STEP 500u
#define PAUSE_MS 1000u

static uint64_t memory[SLUICE_SIZE / 8];
static sluice *device;
static const bare_host *host;

static bool is_open, has_work;
static sluice_work work;
static uint32_t nonce, accepted, closed_at;

bool bare_start(const bare_host *of, const char *user, const char *authority_key) {
  sluice_config config = {.user = user, .vendor = "bare", .nominal_hashrate = 1e4f};
  host = of;
  device = sluice_create(memory, sizeof(memory));
  closed_at = host->milliseconds() - PAUSE_MS;
  return device != NULL && sluice_authority_key(device, authority_key, config.authority_key) &&
         sluice_configure(device, &config);
}

static void end(void) {
  sluice_disconnect(device);
  host->close();
  is_open = has_work = false;
  closed_at = host->milliseconds();
}

static void begin(void) {
  uint8_t random[64];
  if (host->milliseconds() - closed_at < PAUSE_MS) return;
  closed_at = host->milliseconds();
  if (!host->open()) return;
  is_open = true;
  host->random(random, sizeof(random));
  if (!sluice_connect(device, random, host->unix_seconds(), host->milliseconds())) end();
}

/* False where the connection is over. */
static bool take_events(void) {
  sluice_event event;
  while (sluice_next_event(device, &event)) {
    if (host->told != NULL) host->told((int)event.kind, event.rule);
    switch (event.kind) {
      case SLUICE_EVENT_NEW_WORK:
        has_work = sluice_current_work(device, &work);
        nonce = 0;
        break;
      case SLUICE_EVENT_SHARES_ACCEPTED:
        accepted += event.answered;
        break;
      case SLUICE_EVENT_SETUP_FAILED:
      case SLUICE_EVENT_OPEN_REFUSED:
      case SLUICE_EVENT_CHANNEL_CLOSED:
      case SLUICE_EVENT_RECONNECT:
      case SLUICE_EVENT_FAILED:
        return false;
      default:
        break;
    }
  }
  return true;
}

static bool receive(void) {
  uint8_t bytes[256];
  int length = host->receive(bytes, sizeof(bytes));
  if (length < 0) return false;
  for (int at = 0; at < length;) {
    int taken = (int)sluice_receive(device, bytes + at, (size_t)(length - at));
    if (!take_events() || taken == 0) return false;
    at += taken;
  }
  return take_events();
}

static bool send(void) {
  size_t length;
  const uint8_t *bytes = sluice_send(device, &length);
  int sent = length == 0 ? 0 : host->send(bytes, length);
  if (sent < 0) return false;
  sluice_sent(device, (size_t)sent);
  return true;
}

void bare_step(void) {
  uint32_t found;
  if (!is_open) {
    begin();
    return;
  }
  sluice_tick(device, host->milliseconds());
  if (!receive() || !send()) {
    end();
    return;
  }
  if (!has_work) return;
  if (sluice_search(device, work.header, work.target, nonce, NONCES_A_STEP, &found)) {
    sluice_submit(device, work.job_id, found, work.min_ntime, work.version);
    nonce = found + 1;
  } else {
    nonce += NONCES_A_STEP;
  }
}

uint32_t bare_accepted(void) {
  return accepted;
}
