// SPDX-License-Identifier: Apache-2.0
// What every Qt header (qobjectdefs.h, qglobal.h, qforeach.h) and sys/sysmacros.h make macros of: no name for a public
// header, which may be included behind them.
#pragma once

#define signals public
#define slots
#define emit
#define foreach(variable, container) for (variable : container)
#define forever for (;;)
#define major(device) device
#define minor(device) device
#define makedev(major_number, minor_number) major_number
