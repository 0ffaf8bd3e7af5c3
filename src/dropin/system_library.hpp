// SPDX-License-Identifier: Apache-2.0
// SystemLibrary: the library that one of ours stands in front of.
#pragma once

namespace pktverbs::dropin {

/// Its functions, past ours of the same name. What we don't export, programs find in it by themselves: it is the next
/// library in which the loader looks (cmake/PktverbsDropin.cmake).
class SystemLibrary {
public:
    /// `path` is absolute, and already loaded.
    explicit SystemLibrary(const char* path) noexcept;

    /// Ends the program, as the loader does, when there is no such function: whoever calls it has
    /// no way to go on.
    void* function(const char* name, const char* version) const noexcept;

private:
    const char* path_;
    void* handle_;
};

}  // namespace pktverbs::dropin
