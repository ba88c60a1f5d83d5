// SPDX-License-Identifier: MIT
#include "transport/look.h"

// The first miss costs nothing: one may come too early.
static void settle(peri_look *look, uint32_t channels) {
  if (channels > look->held) {
    look->misses = 0;
  } else if (look->misses < PERI_LOOK_MISSES) {
    look->misses++;
  }
  look->skip = (uint8_t)(look->misses == 0 ? 0 : (1u << look->misses) - 2);
  look->held = 0;
}

bool peri_look_hold(peri_look *look, uint32_t channels) {
  if (look->held != 0) {
    settle(look, channels);
    return false;
  }
  if (channels > PERI_LOOK_FEW) {
    return false;
  }
  if (look->skip != 0) {
    look->skip--;
    return false;
  }
  look->held = (uint8_t)channels;
  return true;
}
