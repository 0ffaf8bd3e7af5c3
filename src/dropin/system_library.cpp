// SPDX-License-Identifier: Apache-2.0
#include "dropin/system_library.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>

namespace pktverbs::dropin {

namespace {

[[noreturn]] void give_up(const char* path, const char* what, const char* version) noexcept {
    std::fprintf(stderr, "pktverbs: %s: %s%s%s\n", path, what, *version != '\0' ? ", version " : "", version);
    _exit(127);  // as ld.so does for a missing symbol
}

}  // namespace

// It is already loaded; RTLD_NOLOAD makes a linking mistake show.
SystemLibrary::SystemLibrary(const char* path) noexcept : path_{path}, handle_{dlopen(path, RTLD_LAZY | RTLD_NOLOAD)} {
    if (!handle_) give_up(path_, "it is not loaded", "");
}

void* SystemLibrary::function(const char* name, const char* version) const noexcept {
    void* const found = dlvsym(handle_, name, version);
    if (!found) give_up(path_, name, version);
    return found;
}

}  // namespace pktverbs::dropin
