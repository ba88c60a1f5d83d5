// SPDX-License-Identifier: MIT
// What Dubbo's numbers mean here. Its consumers treat a status other than OK as trouble on the way
// and may try again; what a handler says of the call itself therefore travels as an exception.
#include "protocol/dubbo/dubbo.h"

// For reading, the first row with the status holds; for writing, the first with the code.
typedef struct row {
  uint8_t status;
  int code;
  bool retry;  // the call was not run
} row;

static const row rows[] = {
    {25, PERI_EBAD_REQUEST, false},  // SERIALIZATION_ERROR
    {30, PERI_ETIMEOUT, false},      // CLIENT_TIMEOUT
    {31, PERI_ETIMEOUT, false},      // SERVER_TIMEOUT
    {35, PERI_ECLOSED, false},       // CHANNEL_INACTIVE
    {40, PERI_EBAD_REQUEST, false},  // BAD_REQUEST
    {50, PERI_EPROTOCOL, false},     // BAD_RESPONSE
    {60, PERI_ENO_SERVICE, true},    // SERVICE_NOT_FOUND
    {60, PERI_ENO_METHOD, true},     //
    {70, PERI_EINTERNAL, false},     // SERVICE_ERROR
    {80, PERI_EUNAVAILABLE, false},  // SERVER_ERROR
    {80, PERI_ESHUTDOWN, true},      //
    {80, PERI_ESESSION_LOST, true},  //
    {80, PERI_ENO_NODE, true},       //
    {90, PERI_EBAD_REQUEST, false},  // CLIENT_ERROR
    {100, PERI_EOVERLOADED, true},   // SERVER_THREADPOOL_EXHAUSTED_ERROR
    {100, PERI_ELIMITED, true},      //
};

enum { ROWS = sizeof rows / sizeof rows[0], SERVICE_ERROR = 70, SERVER_TIMEOUT = 31 };

int dubbo_code_of_status(uint8_t status, bool *retry) {
  *retry = false;
  for (size_t i = 0; i < ROWS; i++) {
    if (rows[i].status == status) {
      *retry = rows[i].retry;
      return rows[i].code;
    }
  }
  return PERI_EPROTOCOL;
}

uint8_t dubbo_status_of_code(int code, bool not_run) {
  if (code == PERI_ETIMEOUT) {
    return SERVER_TIMEOUT;
  }
  for (size_t i = 0; i < ROWS && not_run; i++) {
    if (rows[i].code == code) {
      return code == PERI_EBAD_REQUEST ? 40 : rows[i].status;
    }
  }
  return not_run ? SERVICE_ERROR : 0;
}

// RpcException.code. BIZ is what an exception of the service itself is.
enum { NETWORK = 1, TIMEOUT, BIZ, FORBIDDEN, SERIALIZATION, NO_INVOKER, LIMIT, NO_METHOD = 11 };

static const struct {
  int32_t rpc;
  int code;
} codes[] = {
    {NETWORK, PERI_ECLOSED},
    {TIMEOUT, PERI_ETIMEOUT},
    {BIZ, PERI_EUNKNOWN},
    {FORBIDDEN, PERI_EFORBIDDEN},
    {FORBIDDEN, PERI_EUNAUTHENTICATED},
    {SERIALIZATION, PERI_EBAD_REQUEST},
    {NO_INVOKER, PERI_ENO_NODE},
    {LIMIT, PERI_ELIMITED},
    {LIMIT, PERI_EOVERLOADED},
    {NO_METHOD, PERI_ENO_METHOD},
};

enum { CODES = sizeof codes / sizeof codes[0] };

int dubbo_code_of_rpc(int32_t rpc) {
  for (size_t i = 0; i < CODES; i++) {
    if (codes[i].rpc == rpc) {
      return codes[i].code;
    }
  }
  return PERI_EUNKNOWN;
}

int32_t dubbo_rpc_of_code(int code) {
  for (size_t i = 0; i < CODES; i++) {
    if (codes[i].code == code) {
      return codes[i].rpc;
    }
  }
  return BIZ;
}
