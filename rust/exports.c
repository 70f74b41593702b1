// SPDX-License-Identifier: GPL-2.0
/* Exports the crate's symbols to the modules that are built with it. */

#include <linux/export.h>
#include <linux/module.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
