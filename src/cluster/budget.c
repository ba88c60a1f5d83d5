// SPDX-License-Identifier: MIT
#include "cluster/budget.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

// The bucket holds what ten seconds give: enough for a burst, too little to keep an outage going.
#define SPAN_SECONDS 10.0

struct peri_budget {
  peri_budget *next;
  uint32_t refs;
  double ratio;
  double per_second;
  double tokens;
  double filled;  // ms
  char service[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static peri_budget *budgets;

static double now_ms(void) {
  return (double)peri_env->hrtime() / 1e6;
}

static double cap_of(const peri_budget *budget) {
  bool none = budget->ratio <= 0 && budget->per_second <= 0;
  return none ? 0 : fmax(budget->per_second * SPAN_SECONDS, 10);
}

static peri_budget *make(const char *service, double ratio, double per_second) {
  size_t size = strlen(service) + 1;
  peri_budget *budget = peri_calloc(1, sizeof *budget + size);
  memcpy(budget->service, service, size);
  budget->ratio = ratio;
  budget->per_second = per_second;
  budget->tokens = cap_of(budget);
  budget->next = budgets;
  budgets = budget;
  return budget;
}

static bool is_of(const peri_budget *budget, const char *service, double ratio, double per_second) {
  return !(budget->ratio < ratio || budget->ratio > ratio) &&
         !(budget->per_second < per_second || budget->per_second > per_second) &&
         strcmp(budget->service, service) == 0;
}

peri_budget *peri_budget_ref(const char *service, double ratio, double per_second) {
  pthread_mutex_lock(&lock);
  peri_budget *budget = budgets;
  while (budget && !is_of(budget, service, ratio, per_second)) {
    budget = budget->next;
  }
  if (!budget) {
    budget = make(service, ratio, per_second);
  }
  budget->refs++;
  pthread_mutex_unlock(&lock);
  return budget;
}

void peri_budget_unref(peri_budget *budget) {
  if (!budget) {
    return;
  }
  pthread_mutex_lock(&lock);
  if (--budget->refs == 0) {
    peri_budget **at = &budgets;
    while (*at != budget) {
      at = &(*at)->next;
    }
    *at = budget->next;
    free(budget);
  }
  pthread_mutex_unlock(&lock);
}

bool peri_budget_take_at(peri_budget *budget, double calls, double now) {
  pthread_mutex_lock(&lock);
  double elapsed = budget->filled > 0 && now > budget->filled ? now - budget->filled : 0;
  budget->filled = now;
  double income = elapsed * budget->per_second / 1000 + calls * budget->ratio;
  budget->tokens = fmin(budget->tokens + income, cap_of(budget));
  bool granted = budget->tokens >= 1;
  if (granted) {
    budget->tokens -= 1;
  }
  pthread_mutex_unlock(&lock);
  return granted;
}

bool peri_budget_take(peri_budget *budget, double calls) {
  return peri_budget_take_at(budget, calls, now_ms());
}
