// SPDX-License-Identifier: MIT
// What Lua does with nodes through the FFI: counters, the choosing kernels, the retry budget.
//
// A node is an address. `peri_node` is its state in the whole process, interned by address;
// `peri_counters` is what one VM knows about it, and survives every change of the node list for as
// long as somebody holds it. Lua reads the fields of peri_counters directly, only its own VM writes
// them. Times are milliseconds of the monotonic clock.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(default)
/* FFI-BEGIN */
typedef struct peri_node peri_node;
typedef struct peri_budget peri_budget;
typedef struct peri_balance peri_balance;
typedef struct peri_ring peri_ring;

typedef struct peri_counters {
  double latency;              // peak EWMA in ms, 0 = no sample yet
  double stamp;                // when latency was last touched
  uint64_t calls;              // attempts begun
  uint64_t errors;             // attempts that failed for a reason of the node, not of the call
  uint32_t active;             // attempts in flight
  bool watched;                // outcomes count for peri_node_judge
  uint32_t weight;             // share of traffic it should get, 0 = none while others have some
  peri_node *node;             // kept
  struct peri_counters *next;  // private to node.c
  uint64_t mark;               // private to ring.c
} peri_counters;

// The counters of this VM for an address, all zero with weight 100. Returns owned; give back with
// peri_counters_free, never while a call is between begin and done.
peri_counters *peri_counters_new(const char *address);
void peri_counters_free(peri_counters *counters);
// Borrowed for as long as the counters are held.
const char *peri_counters_address(const peri_counters *counters);
// One attempt starts; returns its start time for peri_counters_done.
double peri_counters_begin(peri_counters *counters);
// It ended. `failed`: the node is to blame (no answer, refused, overloaded).
void peri_counters_done(peri_counters *counters, double began, bool failed);
// The same with the times given, for specs and replay.
void peri_counters_sample(peri_counters *counters, double now, double latency, bool failed);
// Time of this thread's last begin or done: a clock that costs nothing, good enough for decay.
double peri_counters_now(void);
// What a choice compares, the smaller the better: decayed latency times the queue.
double peri_counters_load(const peri_counters *counters, double now);

// Process-wide state of the address. Any thread.
uint32_t peri_node_total(peri_node *node);            // attempts in flight in all VMs
void peri_node_connect(peri_node *node, int32_t by);  // +1 / -1 connections of a VM
uint32_t peri_node_connected(const peri_node *node);
void peri_node_set_offline(peri_node *node, bool offline);
bool peri_node_offline(const peri_node *node);
void peri_node_eject(peri_node *node, double until);  // 0 = take back
bool peri_node_ejected(const peri_node *node, double now);
uint32_t peri_node_ejections(void);  // in this process so far, of all nodes

// When a node is thrown out. Times in ms.
typedef struct peri_outlier {
  double consecutive;  // failures in a row in the whole process, 0 = no matter
  double ratio;        // of failures among at least `minimum` attempts of a `window`, 0 = no matter
  double minimum;
  double window;
  double time;  // how long, times the number of its ejections so far
  double max_time;
} peri_outlier;
// An attempt on a watched node failed: ejects it when the rules say so, and returns until when, else
// 0. A node that is out already is left alone.
double peri_node_judge(peri_node *node, const peri_outlier *rules, double now);
// Rank of an address for a chooser (rendezvous hashing): the same pair gives the same number.
uint32_t peri_node_rank(const char *address, double chooser);
// Is it an address of this host: loopback, a unix socket, one of its interfaces?
bool peri_node_is_local(const char *address);
uint32_t peri_node_count(void);  // addresses interned, for leak checks

// Chooses among `n` counters (n > 0) and returns an index from 0 on.
peri_balance *peri_balance_new(double seed);
void peri_balance_free(peri_balance *balance);
uint32_t peri_balance_p2c(peri_balance *balance, peri_counters **list, uint32_t n);
uint32_t peri_balance_weighted(peri_balance *balance, peri_counters **list, uint32_t n);
// `field`: 0 active, 1 latency, 2 errors, 3 calls, 4 load. Among equals each has the same chance.
uint32_t peri_balance_min(peri_balance *balance, peri_counters **list, uint32_t n, int32_t field);
// The one with the fewest attempts in flight for its weight of `tries` drawn at random, of all when
// there are no more.
uint32_t peri_balance_least(peri_balance *balance, peri_counters **list, uint32_t n,
                            uint32_t tries);
// As peri_balance_weighted, for lists whose heaviest weight is known: does not walk them.
uint32_t peri_balance_drawn(peri_balance *balance, peri_counters **list, uint32_t n,
                            uint32_t heaviest);
uint32_t peri_balance_below(peri_balance *balance, uint32_t n);

// A number in [0, 1) that is the same for the same bytes everywhere.
double peri_balance_hash(const char *bytes, size_t len);

// Consistent hashing (ring.h). Keeps `list` and its counters, which the caller holds until
// peri_ring_free. Weights count as they are now.
peri_ring *peri_ring_new(peri_counters **list, uint32_t n);
void peri_ring_free(peri_ring *ring);
// Index in the ring's list of the node for a key. `bound` > 0: none that has more than so many times
// its share of the attempts in flight, while others have less. `among` (n of them, or NULL): only
// these, each of which is in the ring's list. UINT32_MAX when there is none.
uint32_t peri_ring_find(peri_ring *ring, const char *key, size_t len, double bound,
                        peri_counters **among, uint32_t n);

// Retry budget of a service in the whole process: `ratio` of its calls plus `per_second`; none when
// both are 0. Who asks for other figures gets another one.
peri_budget *peri_budget_ref(const char *service, double ratio, double per_second);
void peri_budget_unref(peri_budget *budget);
// `calls` were begun since the last time; may one more attempt be made now? Any thread.
bool peri_budget_take(peri_budget *budget, double calls);
/* FFI-END */
#pragma GCC visibility pop
