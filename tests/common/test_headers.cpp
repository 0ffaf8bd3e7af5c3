// SPDX-License-Identifier: Apache-2.0
// No code: it owns the headers that tests share, compiled once.
