// SPDX-License-Identifier: MIT
#include "wire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { HEAD_BOUND = 512 };

const bench_wire *bench_wire_find(const char *name) {
  static const bench_wire *const all[] = {&bench_wire_floor,  &bench_wire_perilune,
                                          &bench_wire_redis,  &bench_wire_tarantool,
                                          &bench_wire_joyrpc, &bench_wire_dubbo};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (strcmp(all[i]->name, name) == 0) {
      return all[i];
    }
  }
  return NULL;
}

size_t bench_wire_bound(const bench_wire_conf *conf) {
  return bench_payload_bound(conf->bytes) + HEAD_BOUND;
}

int bench_wire_read(int fd, void *bytes, size_t n) {
  for (size_t done = 0; done < n;) {
    ssize_t got = read(fd, (char *)bytes + done, n - done);
    if (got == 0 || (got < 0 && errno != EINTR)) {
      return -1;
    }
    done += got > 0 ? (size_t)got : 0;
  }
  return 0;
}

int bench_wire_write(int fd, const void *bytes, size_t n) {
  for (size_t done = 0; done < n;) {
    ssize_t put = write(fd, (const char *)bytes + done, n - done);
    if (put < 0 && errno != EINTR) {
      return -1;
    }
    done += put > 0 ? (size_t)put : 0;
  }
  return 0;
}
