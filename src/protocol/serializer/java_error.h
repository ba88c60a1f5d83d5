// SPDX-License-Identifier: MIT
// Which Java exception stands for which of our codes, and back. One table for every serialization
// that carries Java exceptions.
#pragma once
#include "base/err.h"
#include "base/buf.h"

// The class to send for `code`: always one that JoyRPC's allow list knows. Static text.
const char *peri_java_error_class(int code);
// The code (PERI_EUNKNOWN when there is none) of an exception class, and whether JoyRPC treats it
// as retryable. Only the simple name counts.
int peri_java_error_code(peri_bytes class_name, bool *retry);
// The code when JoyRPC's text says more than the class of the exception, which stands for `code`.
int peri_java_error_said(int code, peri_bytes message);
// The code of that name, which our own peers send along as `errorCode`; 1 when it is none.
int peri_java_error_named(peri_bytes name);
// True when a class name looks like a throwable's.
bool peri_java_error_is(peri_bytes class_name);
