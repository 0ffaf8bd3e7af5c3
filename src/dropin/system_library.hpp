// SPDX-License-Identifier: Apache-2.0
// SystemLibrary: the system's library behind one of ours.
#pragma once

namespace pktverbs::dropin {

/// Finds its functions, bypassing ours of the same name. Programs find functions that we don't export there by
/// themselves: it is the next library that the loader searches (cmake/PktverbsDropin.cmake).
class SystemLibrary {
public:
    /// `path` is absolute, and already loaded.
    explicit SystemLibrary(const char* path) noexcept;

    /// Ends the program, as the loader does, if there is no such function: the caller could not go on.
    void* function(const char* name, const char* version) const noexcept;

private:
    const char* path_;
    void* handle_;
};

}  // namespace pktverbs::dropin
