// SPDX-License-Identifier: Apache-2.0
#include "verbs/rdma_core.hpp"

#include <dlfcn.h>
#include <stdlib.h>

#include <charconv>
#include <memory>

namespace pktverbs::verbs {

namespace {

constexpr std::uint32_t rxe_vendor = 0xffffff;  ///< RXE_VENDOR_ID, drivers/infiniband/sw/rxe/rxe_param.h
constexpr int first_good_release = 55;

}  // namespace

std::optional<int> rdma_core_release_in(std::string_view library_file) noexcept {
    // libibverbs.so.ABI.MINOR.RELEASE.PATCH (rdma_library() in rdma-core's CMakeLists.txt)
    constexpr std::string_view marker = ".so.";
    const auto at = library_file.rfind(marker);
    if (at == std::string_view::npos) return std::nullopt;
    std::string_view rest = library_file.substr(at + marker.size());
    for (int skipped = 0; skipped < 2; ++skipped) {
        const auto dot = rest.find('.');
        if (dot == std::string_view::npos) return std::nullopt;
        rest.remove_prefix(dot + 1);
    }
    const auto digits = rest.substr(0, rest.find('.'));
    if (digits.size() == rest.size()) return std::nullopt;
    int release = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), release);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return release;
}

std::optional<int> rdma_core_release() noexcept {
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(&ibv_get_device_list), &info) == 0 || !info.dli_fname) return std::nullopt;
    const std::unique_ptr<char, void (*)(void*)> file{realpath(info.dli_fname, nullptr), free};
    return file ? rdma_core_release_in(file.get()) : std::nullopt;
}

bool extended_polling_works(const ibv_device_attr& attributes, std::optional<int> release) noexcept {
    return attributes.vendor_id != rxe_vendor || release.value_or(0) >= first_good_release;
}

}  // namespace pktverbs::verbs
