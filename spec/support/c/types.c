// SPDX-License-Identifier: MIT
// Names, sizes and alignments of the foreign types that stand in our headers by value, so that
// spec/support/c.lua can declare them without parsing the system's headers.
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

typedef struct peri_test_type {
  const char *name;
  uint32_t size;
  uint32_t align;
} peri_test_type;

const peri_test_type *peri_test_type_at(uint32_t n);

#define ROW(type)                                                                                  \
  { #type, sizeof(type), _Alignof(type) }

static const peri_test_type types[] = {
    ROW(uv_loop_t),          ROW(uv_handle_t),
    ROW(uv_stream_t),        ROW(uv_tcp_t),
    ROW(uv_pipe_t),          ROW(uv_timer_t),
    ROW(uv_async_t),         ROW(uv_poll_t),
    ROW(uv_idle_t),          ROW(uv_prepare_t),
    ROW(uv_check_t),         ROW(uv_signal_t),
    ROW(uv_fs_event_t),      ROW(uv_fs_t),
    ROW(uv_write_t),         ROW(uv_connect_t),
    ROW(uv_shutdown_t),      ROW(uv_getaddrinfo_t),
    ROW(uv_work_t),          ROW(uv_buf_t),
    ROW(uv_mutex_t),         ROW(uv_cond_t),
    ROW(uv_rwlock_t),        ROW(uv_sem_t),
    ROW(uv_thread_t),        ROW(uv_once_t),
    ROW(uv_key_t),           ROW(uv_process_t),
    ROW(uv_tty_t),           ROW(uv_udp_t),
    ROW(uv_req_t),           ROW(uv_barrier_t),
    ROW(pthread_t),          ROW(pthread_mutex_t),
    ROW(pthread_cond_t),     ROW(pthread_rwlock_t),
    ROW(pthread_spinlock_t), ROW(pthread_once_t),
    ROW(pthread_key_t),      ROW(struct sockaddr),
    ROW(struct sockaddr_in), ROW(struct sockaddr_in6),
    ROW(struct sockaddr_un), ROW(struct sockaddr_storage),
    ROW(socklen_t),          ROW(max_align_t),
};

// The n-th row, or NULL past the end.
const peri_test_type *peri_test_type_at(uint32_t n) {
  return n < sizeof types / sizeof types[0] ? &types[n] : NULL;
}
