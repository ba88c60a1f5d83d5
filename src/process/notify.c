// SPDX-License-Identifier: MIT
#include "process/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void peri_notify(const char *state) {
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path == NULL || (path[0] != '/' && path[0] != '@') ||
      strlen(path) >= sizeof address.sun_path) {
    return;
  }
  size_t len = strlen(path);
  memcpy(address.sun_path, path, len);
  if (path[0] == '@') {
    address.sun_path[0] = '\0';  // the abstract name space
  }
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0) {
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
    close(fd);
  }
}

uint32_t peri_notify_watchdog_ms(void) {
  const char *usec = getenv("WATCHDOG_USEC");
  const char *pid = getenv("WATCHDOG_PID");
  if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())) {
    return 0;
  }
  unsigned long long ms = strtoull(usec, NULL, 10) / 2000u;
  return ms == 0 ? 0 : ms > 3600000u ? 3600000u : (uint32_t)ms;
}

static int write_lines(int fd, const char *const *urls, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (dprintf(fd, "%s\n", urls[i]) < 0) {
      return -1;
    }
  }
  return 0;
}

int peri_notify_write_ports(const char *path, const char *const *urls, size_t count,
                            peri_err *err) {
  char beside[4096];
  int wanted = snprintf(beside, sizeof beside, "%s.%ld.tmp", path, (long)getpid());
  if (wanted < 0 || (size_t)wanted >= sizeof beside) {
    return peri_fail(err, PERI_ECONFIG, "PERILUNE_PORT_FILE is too long");
  }
  int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) {
    return peri_fail(err, PERI_ESYSTEM,
                     "cannot write %s: %s; set PERILUNE_PORT_FILE to a file in"
                     " a folder that can be written",
                     path, strerror(errno));
  }
  int failed = write_lines(fd, urls, count);
  failed = close(fd) != 0 || failed != 0;
  if (failed || rename(beside, path) != 0) {
    peri_fail(err, PERI_ESYSTEM, "cannot write %s: %s", path, strerror(errno));
    unlink(beside);
    return PERI_ESYSTEM;
  }
  return 0;
}
