/*
 * A board for bare-loop that is a process: its line to the server is standard input and output. For tests; write your own.
 *
 *   bare-loop AUTHORITYKEY USER SHARES
 *
 * ends with status 0 after so many accepted shares, with 1 when its input ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bare-loop.h"
#include "sluice.h"

static bool has_ended;

static bool open_line(void) {
  return !has_ended;
}
static void close_line(void) {
  has_ended = true;
}
static int transferred(ssize_t length) {
  if (length > 0) return (int)length;
  return length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : -1;
}
static int receive(uint8_t *bytes, size_t length) {
  return transferred(read(0, bytes, length));
}
static int send_bytes(const uint8_t *bytes, size_t length) {
  return transferred(write(1, bytes, length));
}
static void random_bytes(uint8_t *bytes, size_t length) {
  int file = open("/dev/urandom", O_RDONLY);
  if (read(file, bytes, length) != (ssize_t)length) abort();
  close(file);
}
static uint32_t milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)now.tv_sec * 1000u + (uint32_t)now.tv_nsec / 1000000u;
}
static uint32_t unix_seconds(void) {
  return (uint32_t)time(NULL);
}
static void told(int event, int rule) {
  fprintf(stderr, "event %d %s\n", event, rule == 0 ? "" : sluice_rule_name(rule));
}

int main(int count, char **arguments) {
  static const bare_host host = {open_line,    close_line,   receive, send_bytes, random_bytes,
                                 milliseconds, unix_seconds, told};
  if (count != 4 || !bare_start(&host, arguments[2], arguments[1])) return 2;
  fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
  fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK);
  while (bare_accepted() < (uint32_t)atoi(arguments[3])) {
    if (has_ended) return 1;
    bare_step();
  }
  return 0;
}
