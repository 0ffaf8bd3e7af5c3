// SPDX-License-Identifier: Apache-2.0
// No code: owns the precompiled headers that tests share.
