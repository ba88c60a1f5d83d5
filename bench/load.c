// SPDX-License-Identifier: MIT
// The one load generator for every server in a comparison: one thread, epoll, pipelined requests,
// one write per connection and turn. Closed loop: `depth` requests are always in flight on each
// connection. Open loop (--rate): requests are due at the times of a Poisson process and their
// latency counts from then, sent in time or not, so a stalled server cannot hide what it delayed.
//
// Prints one JSON object. The server's CPU time is that of process --pid between the two ends of
// the timed window, divided by the calls that completed in it.
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conn.h"
#include "hold.h"
#include "server.h"

enum { OPEN_DEPTH = 4096, EVENTS = 256, WAIT_MS = 100, DRAIN_MS = 2000 };

typedef struct options {
  const bench_wire *wire;
  bench_wire_conf conf;
  int port;
  pid_t server;
  uint32_t connections;
  uint32_t depth;
  uint32_t hold;
  uint32_t idle;
  double seconds;
  double warm;
  double rate;
  unsigned check_every;
  uint32_t hups;
} options;

typedef struct run {
  const options *opt;
  bench_tally tally;
  bench_conn *conns;
  int *watched;  // per connection: polled for writing too
  int epoll;
  int sending;
  double next_due;  // open loop: ns
  uint32_t hups;    // sent so far
  uint64_t random;
  uint64_t server_cpu;  // ns within the window
  uint64_t client_cpu;
} run;

// ---- turns --------------------------------------------------------------------------------------

static double uniform(run *r) {
  r->random ^= r->random << 13;
  r->random ^= r->random >> 7;
  r->random ^= r->random << 17;
  return ((double)(r->random >> 11) + 0.5) / 9007199254740992.0;
}

static bench_conn *choose(run *r) {
  uint32_t n = r->opt->connections;
  uint32_t first = (uint32_t)(uniform(r) * n);
  for (uint32_t i = 0; i < n; i++) {
    bench_conn *conn = &r->conns[(first + i) % n];
    if (!bench_conn_full(conn)) {
      return conn;
    }
  }
  return NULL;
}

// With every connection full what is due waits, and keeps the time it was due at.
static void push_due(run *r) {
  while (r->next_due <= (double)r->tally.now) {
    bench_conn *conn = choose(r);
    if (!conn) {
      return;
    }
    bench_conn_push(conn, (uint64_t)r->next_due);
    r->next_due -= log(uniform(r)) * 1e9 / r->opt->rate;
  }
}

static void fill(run *r) {
  for (uint32_t i = 0; i < r->opt->connections; i++) {
    while (!bench_conn_full(&r->conns[i])) {
      bench_conn_push(&r->conns[i], r->tally.now);
    }
  }
}

static void watch(run *r, uint32_t index, int op, int writing) {
  struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0u), .data.u32 = index};
  epoll_ctl(r->epoll, op, r->conns[index].fd, &event);
  r->watched[index] = writing;
}

static void flush(run *r) {
  for (uint32_t i = 0; i < r->opt->connections; i++) {
    bench_conn *conn = &r->conns[i];
    if (conn->out_used == 0 || conn->fd < 0) {
      continue;
    }
    int writing = bench_conn_flush(conn);
    if (conn->fd >= 0 && writing != r->watched[i]) {
      watch(r, i, EPOLL_CTL_MOD, writing);
    }
  }
}

static void receive(run *r, uint32_t index) {
  bench_conn *conn = &r->conns[index];
  uint32_t count = conn->fd < 0 ? 0 : bench_conn_poll(conn);
  if (!r->sending || r->opt->rate > 0) {
    return;
  }
  for (uint32_t i = 0; i < count && !bench_conn_full(conn); i++) {
    bench_conn_push(conn, r->tally.now);
  }
}

static void turn(run *r) {
  struct epoll_event events[EVENTS];
  int open_loop = r->sending && r->opt->rate > 0;
  // An open loop spins: sleeping would add the wake-up to what it measures.
  int n = epoll_wait(r->epoll, events, EVENTS, open_loop ? 0 : WAIT_MS);
  r->tally.now = bench_now_ns();
  for (int i = 0; i < n; i++) {
    receive(r, events[i].data.u32);
  }
  if (open_loop) {
    push_due(r);
  }
  flush(r);
}

static uint32_t in_flight(const run *r) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < r->opt->connections; i++) {
    sum += r->conns[i].in_flight;
  }
  return sum;
}

static int alive(const run *r) {
  for (uint32_t i = 0; i < r->opt->connections; i++) {
    if (r->conns[i].fd >= 0) {
      return 1;
    }
  }
  return 0;
}

static void turn_until(run *r, uint64_t end) {
  while (r->tally.now < end && alive(r)) {
    turn(r);
  }
}

// SIGHUPs go to the server at even distances within the window. From here, since a process beside
// that waits and signals takes more of the cores than what it is to show.
static void run_window(run *r) {
  const bench_tally *tally = &r->tally;
  uint64_t gap = (tally->end - tally->begin) / (r->opt->hups + 1u);
  while (r->hups < r->opt->hups && alive(r)) {
    turn_until(r, tally->begin + gap * ++r->hups);
    kill(r->opt->server, SIGHUP);
  }
  turn_until(r, tally->end);
}

// ---- a run --------------------------------------------------------------------------------------

static int open_all(run *r) {
  const options *opt = r->opt;
  r->epoll = epoll_create1(EPOLL_CLOEXEC);
  r->conns = calloc(opt->connections, sizeof *r->conns);
  r->watched = calloc(opt->connections, sizeof *r->watched);
  if (r->epoll < 0 || !r->conns || !r->watched) {
    return -1;
  }
  for (uint32_t i = 0; i < opt->connections; i++) {
    r->conns[i].fd = -1;
  }
  for (uint32_t i = 0; i < opt->connections; i++) {
    if (bench_conn_init(&r->conns[i], opt->wire, &opt->conf, &r->tally, opt->port, opt->depth) <
        0) {
      return -1;
    }
    watch(r, i, EPOLL_CTL_ADD, 0);
  }
  return 0;
}

static void measure(run *r) {
  const options *opt = r->opt;
  bench_tally *tally = &r->tally;
  tally->now = bench_now_ns();
  tally->begin = tally->end = UINT64_MAX;
  r->sending = 1;
  r->next_due = (double)tally->now;
  if (opt->rate <= 0) {
    fill(r);
    flush(r);
  }
  turn_until(r, tally->now + (uint64_t)(opt->warm * 1e9));
  uint64_t server = bench_cpu_ns(opt->server);
  uint64_t client = bench_cpu_ns(0);
  tally->begin = bench_now_ns();
  tally->end = tally->begin + (uint64_t)(opt->seconds * 1e9);
  run_window(r);
  r->server_cpu = bench_cpu_ns(opt->server) - server;
  r->client_cpu = bench_cpu_ns(0) - client;
  tally->end = tally->now < tally->end ? tally->now : tally->end;
  r->sending = 0;
  uint64_t give_up = tally->now + DRAIN_MS * 1000000ull;
  while (in_flight(r) && tally->now < give_up && alive(r)) {
    turn(r);
  }
}

static void report(const run *r) {
  const options *opt = r->opt;
  const bench_tally *tally = &r->tally;
  double calls = tally->calls ? (double)tally->calls : 1;
  double seconds = (double)(tally->end - tally->begin) / 1e9;
  printf("{\"protocol\":\"%s\",\"connections\":%u,\"depth\":%u,\"bytes\":%zu,\"rate\":%.0f,"
         "\"seconds\":%.3f,\"calls\":%llu,\"errors\":%llu,\"first_error\":\"%s\",\"rps\":%.0f,",
         opt->wire->name, opt->connections, opt->depth, opt->conf.bytes, opt->rate, seconds,
         (unsigned long long)tally->calls, (unsigned long long)tally->errors, tally->first_error,
         (double)tally->calls / seconds);
  printf("\"good\":%llu,\"refused\":%llu,\"server_cpu_s\":%.6f,", (unsigned long long)tally->good,
         (unsigned long long)tally->refused, (double)r->server_cpu / 1e9);
  printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f,"
         "\"client_cpu_us\":%.4f,\"server_cpu_us\":%.4f,\"server_util\":%.3f}\n",
         (double)bench_hist_get(&tally->latency, 0.5) / 1e3,
         (double)bench_hist_get(&tally->latency, 0.99) / 1e3,
         (double)bench_hist_get(&tally->latency, 0.999) / 1e3, (double)tally->latency.max / 1e3,
         (double)r->client_cpu / 1e3 / calls, (double)r->server_cpu / 1e3 / calls,
         (double)r->server_cpu / 1e9 / seconds);
}

static int run_load(const options *opt) {
  static run r;
  r = (run){.opt = opt, .random = bench_now_ns() | 1};
  r.tally.check_every = opt->check_every;
  bench_hist_init(&r.tally.latency);
  int rc = open_all(&r);
  if (rc == 0) {
    measure(&r);
  }
  for (uint32_t i = 0; r.conns && i < opt->connections; i++) {
    bench_conn_fini(&r.conns[i]);
  }
  if (rc == 0) {
    report(&r);
  }
  free(r.conns);
  free(r.watched);
  int nothing = rc == 0 && r.tally.calls + r.tally.refused == 0;
  if (nothing) {
    fprintf(stderr, "load: no call was answered: %s\n", r.tally.first_error);
  }
  return rc < 0 || nothing;
}

// ---- the command line ---------------------------------------------------------------------------

static const char usage[] =
    "usage: load --protocol floor|perilune|redis|tarantool|joyrpc|dubbo --port N [--pid SERVER]\n"
    "            [--connections 8] [--depth 32] [--bytes 32] [--seconds 2] [--warm 0.5]\n"
    "            [--rate CALLS-PER-SECOND]    open loop, Poisson; --depth is a bound\n"
    "            [--serializer raw|msgpack|json] [--kind opaque|msgpack-str|msgpack-map|json-map]\n"
    "            [--interface NAME] [--alias NAME] [--method m] [--methods 1] [--timeout MS]\n"
    "            [--check-every 16] [--cpu CORE]\n"
    "            [--hup N]                    SIGHUPs to the server within the timed window\n"
    "            [--hold N | --idle N]        memory of waiting calls or of idle connections\n";

static const struct option names[] = {{"protocol", 1, 0, 'p'},    {"port", 1, 0, 'P'},
                                      {"pid", 1, 0, 'i'},         {"connections", 1, 0, 'c'},
                                      {"depth", 1, 0, 'd'},       {"bytes", 1, 0, 'b'},
                                      {"seconds", 1, 0, 't'},     {"warm", 1, 0, 'w'},
                                      {"rate", 1, 0, 'r'},        {"serializer", 1, 0, 's'},
                                      {"kind", 1, 0, 'k'},        {"interface", 1, 0, 'I'},
                                      {"alias", 1, 0, 'a'},       {"method", 1, 0, 'm'},
                                      {"methods", 1, 0, 'M'},     {"timeout", 1, 0, 'o'},
                                      {"check-every", 1, 0, 'e'}, {"cpu", 1, 0, 'C'},
                                      {"hold", 1, 0, 'H'},        {"idle", 1, 0, 'D'},
                                      {"hup", 1, 0, 'S'},         {0, 0, 0, 0}};

static int kind_of(const char *name) {
  static const char *const kinds[] = {"opaque", "msgpack-str", "msgpack-map", "json-map"};
  for (int i = 0; i < 4; i++) {
    if (strcmp(kinds[i], name) == 0) {
      return i;
    }
  }
  return -1;
}

static uint32_t to_count(const char *text) {
  return (uint32_t)strtoul(text, NULL, 10);
}

static int set_text(options *opt, int name, const char *value) {
  switch (name) {
  case 'p': opt->wire = bench_wire_find(value); return opt->wire ? 0 : -1;
  case 'k': {
    int kind = kind_of(value);
    opt->conf.kind = (bench_kind)(kind < 0 ? 0 : kind);
    return kind < 0 ? -1 : 0;
  }
  case 's': opt->conf.serializer = value; return strchr("rmj", value[0]) ? 0 : -1;
  case 'I': opt->conf.interface = value; return 0;
  case 'a': opt->conf.alias = value; return 0;
  case 'm': opt->conf.method = value; return strlen(value) < 200 ? 0 : -1;
  default: return -1;
  }
}

static int set(options *opt, int name, const char *value) {
  switch (name) {
  case 'P': opt->port = atoi(value); return 0;
  case 'i': opt->server = (pid_t)atoi(value); return 0;
  case 'c': opt->connections = to_count(value); return opt->connections ? 0 : -1;
  case 'd': opt->depth = to_count(value); return opt->depth - 1u < BENCH_DEPTH_MAX ? 0 : -1;
  case 'b': opt->conf.bytes = to_count(value); return opt->conf.bytes <= 16u << 20 ? 0 : -1;
  case 't': opt->seconds = atof(value); return 0;
  case 'w': opt->warm = atof(value); return 0;
  case 'r': opt->rate = atof(value); return 0;
  case 'M': opt->conf.methods = to_count(value); return 0;
  case 'o': opt->conf.timeout_ms = to_count(value); return 0;
  case 'e': opt->check_every = to_count(value); return 0;
  case 'S': opt->hups = to_count(value); return 0;
  case 'C': bench_pin(atoi(value)); return 0;
  case 'H': opt->hold = to_count(value); return 0;
  case 'D': opt->idle = to_count(value); return 0;
  default: return set_text(opt, name, value);
  }
}

// A wire that knows one shape of payload has no choice of another.
static void settle_kind(options *opt) {
  if (opt->wire == &bench_wire_redis || opt->wire == &bench_wire_joyrpc ||
      opt->wire == &bench_wire_dubbo) {
    opt->conf.kind = BENCH_OPAQUE;
  } else if (opt->wire == &bench_wire_tarantool) {
    opt->conf.kind = BENCH_MSGPACK_STR;
  }
  if (opt->conf.kind == BENCH_MSGPACK_MAP || opt->conf.kind == BENCH_JSON_MAP) {
    opt->conf.bytes = 0;
  }
  if (opt->depth == 0) {
    opt->depth = opt->rate > 0 ? OPEN_DEPTH : 32;
  }
}

static void raise_file_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

int main(int argc, char **argv) {
  options opt = {.connections = 8,
                 .seconds = 2,
                 .warm = 0.5,
                 .check_every = 16,
                 .conf = {.bytes = 32,
                          .serializer = "raw",
                          .interface = "bench.Echo",
                          .alias = "bench",
                          .method = "m",
                          .methods = 1,
                          .timeout_ms = 5000}};
  for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    if (name == '?' || set(&opt, name, optarg) < 0) {
      fputs(usage, stderr);
      return 2;
    }
  }
  if (!opt.wire || !opt.port || optind != argc || (opt.hups && opt.server <= 0)) {
    fputs(usage, stderr);
    return 2;
  }
  settle_kind(&opt);
  raise_file_limit();
  if (opt.idle) {
    return bench_idle_run(opt.wire, &opt.conf, opt.port, opt.server, opt.idle);
  }
  if (opt.hold) {
    return bench_hold_run(opt.wire, &opt.conf, opt.port, opt.server, opt.connections, opt.hold);
  }
  return run_load(&opt);
}
