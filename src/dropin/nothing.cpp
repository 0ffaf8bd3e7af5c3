// SPDX-License-Identifier: Apache-2.0
// Nothing: what is only linked to for its name needs a source all the same.
