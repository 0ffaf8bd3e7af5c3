// SPDX-License-Identifier: Apache-2.0
// Empty: a library that exists only for its name needs a source all the same.
