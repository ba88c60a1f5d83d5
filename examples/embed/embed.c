// SPDX-License-Identifier: MIT
// A program with a Perilune inside: its counter is served over the network by a script, and the
// program calls into the script. usage: embed SCRIPT
#include <perilune.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *run(void *runtime) {
  int code = peri_runtime_run(runtime);
  if (code != 0) {
    fprintf(stderr, "embed: %s\n", peri_runtime_message(runtime));
  }
  return (void *)(intptr_t)code;
}

static int call(peri_runtime *runtime, const char *name, const char *argument) {
  peri_buf result = {0};
  peri_bytes bytes = {(const uint8_t *)argument, strlen(argument)};
  int code = peri_runtime_call(runtime, name, bytes, 5000, &result);
  printf("%s(%s) = %d: %.*s\n", name, argument, code, (int)result.len, (const char *)result.data);
  free(result.data);
  return code;
}

int main(int argc, char **argv) {
  char message[256];
  const char *const settings[] = {"workers=2", NULL};
  const char *const args[] = {"tcp://127.0.0.1:0", NULL};
  const peri_runtime_options options = {
      .size = sizeof options,
      .script = argc > 1 ? argv[1] : "app.lua",
      .args = args,
      .settings = settings,
  };
  peri_runtime *runtime = peri_runtime_new(&options, message, sizeof message);
  if (runtime == NULL) {
    fprintf(stderr, "embed: %s\n", message);
    return 1;
  }
  pthread_t thread;
  void *code;
  pthread_create(&thread, NULL, run, runtime);
  if (peri_runtime_wait(runtime, 10000) == 0) {
    call(runtime, "greet", "moon");    // a function of the script
    call(runtime, "ask", "moon");      // one that calls a service and waits for it
    call(runtime, "grete", "nobody");  // a mistake
  }
  peri_runtime_stop(runtime);  // drains
  pthread_join(thread, &code);
  peri_runtime_free(runtime);
  return (int)(intptr_t)code;
}
