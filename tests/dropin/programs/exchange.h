// SPDX-License-Identifier: Apache-2.0
// A short conversation between two opened devices: shows that they are NICs, whichever way they were found.
#pragma once

#include "nic.h"

/// Sends frames of every size from one to the other, by unicast and to a group, and checks each.
void exchange(struct nic* receiver, struct nic* sender);
