/*
 * A miner for Linux and other POSIX systems over sluice.h: a socket, a nonce loop in software, and a new connection, later
 * and later, when one ends.
 *
 *   linux-miner stratum2+tcp://HOST:PORT/AUTHORITYKEY USER [SECONDS]
 *   linux-miner stratum2+tcp+plain://HOST:PORT USER [SECONDS]
 *
 * It ends after SECONDS, or on SIGINT and SIGTERM, with status 0 if a share was accepted and 1 if none was. A line on stdout
 * for each thing that happens.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sluice.h"

/* Nonces between two looks at the socket: some milliseconds. */
#define SLICE 2000u
#define FIRST_DELAY_MS 500u
#define LAST_DELAY_MS 30000u
#define TEXT 256

typedef struct {
  char host[TEXT];
  char port[6];
} endpoint;

typedef struct {
  sluice *device;
  int socket;
  bool has_work;
  sluice_work work;
  uint32_t next_nonce, nonces_left;
  /* A server named another one (5.3.20), which is tried next. */
  bool has_moved;
  endpoint next;
  uint64_t hashes, accepted, refused;
} miner;

static volatile sig_atomic_t must_stop;

static void on_signal(int number) {
  (void)number;
  must_stop = 1;
}

static void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
  fflush(stdout);
}

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static bool random_bytes(uint8_t *out, size_t length) {
  int file = open("/dev/urandom", O_RDONLY);
  if (file < 0) return false;
  ssize_t got = read(file, out, length);
  close(file);
  return got == (ssize_t)length;
}

/* Texts of a server are printed as far as they are printable. */
static void copy_text(char out[TEXT], const sluice_event *event) {
  size_t length = event->text_length < TEXT - 1 ? event->text_length : TEXT - 1;
  for (size_t i = 0; i < length; i++) out[i] = event->text[i] >= ' ' && event->text[i] <= '~' ? event->text[i] : '?';
  out[length] = 0;
}

/* Connects a socket; -1 where nobody answers. */
static int dial(const endpoint *server) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
  int error = getaddrinfo(server->host, server->port, &hints, &found);
  if (error != 0) {
    say("no address for %s: %s", server->host, gai_strerror(error));
    return -1;
  }
  int dialled = -1;
  for (struct addrinfo *each = found; each != NULL && dialled < 0; each = each->ai_next) {
    dialled = socket(each->ai_family, each->ai_socktype, each->ai_protocol);
    if (dialled < 0) continue;
    if (connect(dialled, each->ai_addr, each->ai_addrlen) != 0) {
      close(dialled);
      dialled = -1;
    }
  }
  freeaddrinfo(found);
  if (dialled < 0) {
    say("cannot connect to %s:%s: %s", server->host, server->port, strerror(errno));
    return -1;
  }
  int one = 1;
  setsockopt(dialled, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  fcntl(dialled, F_SETFL, fcntl(dialled, F_GETFL) | O_NONBLOCK);
  return dialled;
}

/* Sends what waits; false where the connection is lost. */
static bool flush(miner *self) {
  for (;;) {
    size_t length;
    const uint8_t *bytes = sluice_send(self->device, &length);
    if (length == 0) return true;
    ssize_t sent = send(self->socket, bytes, length, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    sluice_sent(self->device, (size_t)sent);
  }
}

static void take_work(miner *self) {
  self->has_work = sluice_current_work(self->device, &self->work);
  self->next_nonce = 0;
  self->nonces_left = UINT32_MAX;
}

/* Takes all events; false where the connection is over. */
static bool take_events(miner *self) {
  sluice_event event;
  char text[TEXT];
  while (sluice_next_event(self->device, &event)) {
    copy_text(text, &event);
    switch (event.kind) {
      case SLUICE_EVENT_CONNECTED:
        say("connected, version %u", (unsigned)event.value);
        break;
      case SLUICE_EVENT_SETUP_FAILED:
        say("the server refuses us: %s", text);
        return false;
      case SLUICE_EVENT_CHANNEL_OPEN:
        say("channel %u is open", (unsigned)event.channel_id);
        break;
      case SLUICE_EVENT_OPEN_REFUSED:
        say("no channel: %s", text);
        return false;
      case SLUICE_EVENT_NEW_WORK:
        take_work(self);
        say("job %u%s", (unsigned)event.job_id, event.value == 1 ? " on a new block" : "");
        break;
      case SLUICE_EVENT_NEW_TARGET:
        say("new target");
        break;
      case SLUICE_EVENT_SHARES_ACCEPTED:
        self->accepted += event.answered;
        say("%u accepted, %llu in all", (unsigned)event.answered, (unsigned long long)self->accepted);
        break;
      case SLUICE_EVENT_SHARE_REFUSED:
        self->refused++;
        say("share %u refused: %s", (unsigned)event.sequence_number, text);
        break;
      case SLUICE_EVENT_CHANNEL_CLOSED:
        say("the channel was closed: %s", text);
        self->has_work = false;
        if (!sluice_open_channel(self->device)) return false;
        break;
      case SLUICE_EVENT_RECONNECT:
        say("sent to %s:%u", text, (unsigned)event.value);
        if (event.text_length > 0) memcpy(self->next.host, text, sizeof(text));
        if (event.value > 0) snprintf(self->next.port, sizeof(self->next.port), "%u", (unsigned)(event.value & 0xffff));
        self->has_moved = true;
        return false;
      case SLUICE_EVENT_FAILED:
        say("the server broke %s (%d), detail %u", sluice_rule_name(event.rule), event.rule, (unsigned)event.value);
        return false;
      default:
        break;
    }
  }
  return true;
}

/* Receives what is there; false where the connection is over. */
static bool receive(miner *self) {
  uint8_t bytes[2048];
  ssize_t length = recv(self->socket, bytes, sizeof(bytes), 0);
  if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return true;
  if (length <= 0) {
    say(length == 0 ? "the server closed the connection" : "the connection is lost: %s", strerror(errno));
    return false;
  }
  for (size_t at = 0; at < (size_t)length;) {
    size_t taken = sluice_receive(self->device, bytes + at, (size_t)length - at);
    if (!take_events(self) || taken == 0) return false;
    at += taken;
  }
  return true;
}

static uint32_t read_u32(const uint8_t *from) {
  return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static void write_u32(uint8_t *to, uint32_t value) {
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)(value >> (8 * i));
}

/* Tries some nonces, and with all of them tried the next ntime or version. */
static void hash(miner *self) {
  sluice_work *work = &self->work;
  uint32_t count = self->nonces_left < SLICE ? self->nonces_left : SLICE, nonce;
  if (count == 0) {
    uint32_t ntime = read_u32(work->header + 68), version = read_u32(work->header);
    sluice_work now;
    if (sluice_current_work(self->device, &now) && ntime < now.max_ntime) {
      write_u32(work->header + 68, ntime + 1);
    } else {
      write_u32(work->header + 68, work->min_ntime);
      write_u32(work->header, (((version | ~work->version_mask) + 1) & work->version_mask) | (version & ~work->version_mask));
    }
    self->next_nonce = 0;
    self->nonces_left = UINT32_MAX;
    return;
  }
  if (!sluice_search(self->device, work->header, work->target, self->next_nonce, count, &nonce)) {
    self->next_nonce += count;
    self->nonces_left -= count;
    self->hashes += count;
    return;
  }
  uint32_t tried = nonce - self->next_nonce + 1;
  self->next_nonce += tried;
  self->nonces_left -= tried;
  self->hashes += tried;
  sluice_submitted code =
      sluice_submit(self->device, work->job_id, nonce, read_u32(work->header + 68), read_u32(work->header));
  if (code != SLUICE_SUBMIT_SENT) say("a share was not sent: %d", (int)code);
}

/* One connection, from its socket to its end. Tells whether there was work. */
static bool mine(miner *self, const endpoint *server, sluice_config *config, uint64_t end) {
  uint8_t random[64];
  bool worked = false;
  config->host = server->host;
  config->port = (uint16_t)atoi(server->port);
  if (!sluice_configure(self->device, config) || !random_bytes(random, sizeof(random))) return false;
  self->socket = dial(server);
  if (self->socket < 0) return false;
  self->has_work = false;
  sluice_connect(self->device, random, (uint32_t)time(NULL), (uint32_t)now_ms());
  while (!must_stop && now_ms() < end) {
    size_t waiting;
    sluice_send(self->device, &waiting);
    struct pollfd look = {.fd = self->socket, .events = (short)(POLLIN | (waiting > 0 ? POLLOUT : 0))};
    poll(&look, 1, self->has_work ? 0 : 200);
    sluice_tick(self->device, (uint32_t)now_ms());
    if ((look.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !receive(self)) break;
    if (!take_events(self)) break;
    if (self->has_work) hash(self);
    worked = worked || self->has_work;
    if (!flush(self)) {
      say("the connection is lost: %s", strerror(errno));
      break;
    }
  }
  sluice_disconnect(self->device);
  close(self->socket);
  return worked;
}

/* Reads stratum2+tcp://HOST:PORT/KEY, or stratum2+tcp+plain://HOST:PORT. */
static bool parse(sluice *device, const char *url, endpoint *server, sluice_config *config) {
  static const char noise[] = "stratum2+tcp://", plain[] = "stratum2+tcp+plain://";
  config->plain = strncmp(url, plain, sizeof(plain) - 1) == 0;
  if (!config->plain && strncmp(url, noise, sizeof(noise) - 1) != 0) return false;
  const char *host = url + (config->plain ? sizeof(plain) : sizeof(noise)) - 1;
  const char *slash = strchr(host, '/'), *end = slash == NULL ? host + strlen(host) : slash, *colon = end;
  while (colon > host && *colon != ':') colon--;
  size_t host_length = (size_t)(colon - host), port_length = (size_t)(end - colon) - 1;
  if (colon == host || host_length >= TEXT || port_length < 1 || port_length >= sizeof(server->port)) return false;
  /* IPv6 addresses stand in brackets. */
  if (*host == '[' && colon[-1] == ']') host++, host_length -= 2;
  snprintf(server->host, sizeof(server->host), "%.*s", (int)host_length, host);
  snprintf(server->port, sizeof(server->port), "%.*s", (int)port_length, colon + 1);
  return config->plain || (slash != NULL && sluice_authority_key(device, slash + 1, config->authority_key));
}

static void wait_ms(uint64_t milliseconds, uint64_t end) {
  uint64_t until = now_ms() + milliseconds;
  if (until > end) until = end;
  while (!must_stop && now_ms() < until) poll(NULL, 0, 50);
}

int main(int count, char **arguments) {
  static uint64_t memory[SLUICE_SIZE / 8];
  miner self = {0};
  endpoint home, server;
  sluice_config config = {.vendor = "sluice", .hardware = "software", .firmware = "linux-miner", .nominal_hashrate = 1e5f};
  self.device = sluice_create(memory, sizeof(memory));
  if (self.device == NULL || (count != 3 && count != 4) || !parse(self.device, arguments[1], &home, &config)) {
    fprintf(stderr, "expected stratum2+tcp://HOST:PORT/AUTHORITYKEY (or stratum2+tcp+plain://HOST:PORT) USER [SECONDS]\n");
    return 2;
  }
  config.user = arguments[2];
  config.timeout_ms = 10000;
  if (!sluice_configure(self.device, &config)) {
    fprintf(stderr, "expected a USER of at most 255 bytes\n");
    return 2;
  }
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);

  uint64_t begin = now_ms(), end = count == 4 ? begin + 1000u * strtoul(arguments[3], NULL, 10) : UINT64_MAX;
  uint64_t delay = FIRST_DELAY_MS;
  server = home;
  while (!must_stop && now_ms() < end) {
    self.next = server;
    self.has_moved = false;
    bool worked = mine(&self, &server, &config, end);
    /* To where we were sent once, and otherwise back to where we were told to begin. */
    server = self.has_moved ? self.next : home;
    delay = worked ? FIRST_DELAY_MS : delay < LAST_DELAY_MS ? delay * 2 : LAST_DELAY_MS;
    wait_ms(delay, end);
  }
  uint64_t ms = now_ms() - begin;
  say("%llu accepted, %llu refused, %llu hashes a second", (unsigned long long)self.accepted,
      (unsigned long long)self.refused, (unsigned long long)(self.hashes * 1000 / (ms == 0 ? 1 : ms)));
  return self.accepted > 0 ? 0 : 1;
}
