// SPDX-License-Identifier: MIT
// Gives every inline function of our headers an exported body, so that specs call them by FFI like
// any other. The system's headers come first, before the keywords lose their meaning.
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <lua.h>
#include <lauxlib.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/hot.h"

#define static
#define inline
#undef PERI_INLINE
#define PERI_INLINE
#include "peri_all_headers.h"
