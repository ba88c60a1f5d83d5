// SPDX-License-Identifier: MIT
// How many accepted connections there are: in the process, per listener, per peer address. A
// connection that would be too many is closed before anything is allocated for it. Any thread: the
// control worker admits, the workers give back.
#pragma once
#include <stdint.h>

#define PERI_ADMIT_LISTENERS 64

typedef struct peri_admission peri_admission;

typedef struct peri_admit_limits {
  uint32_t connections;   // of the process, default 1 000 000
  uint32_t per_listener;  // default 1 000 000
  uint32_t per_peer;      // from one IP address, default 65 536; unix sockets have none
} peri_admit_limits;

// What an admitted connection holds until it is closed.
typedef struct peri_ticket peri_ticket;

// Returns owned.
peri_admission *peri_admission_new(void);
// Does nothing when a ticket has not been given back.
void peri_admission_free(peri_admission *admission);
void peri_admission_set(peri_admission *admission, const peri_admit_limits *limits);

// Counts the connected socket `fd`, accepted by the listener number `listener` (below
// PERI_ADMIT_LISTENERS). Returns owned, or NULL when a limit is reached, which is then counted and
// logged with `url` of the listener; the caller closes `fd`.
peri_ticket *peri_admit(peri_admission *admission, int fd, int listener, const char *url);
// Takes the ticket. The argument's type makes it the `gone` of peri_vm_accept.
void peri_admit_end(void *ticket);
// Connections now counted.
uint32_t peri_admission_count(peri_admission *admission);
