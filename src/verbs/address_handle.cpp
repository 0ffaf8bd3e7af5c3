// SPDX-License-Identifier: Apache-2.0
#include <pktverbs/verbs/address_handle.hpp>

#include <fmt/core.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include <pktverbs/verbs/gid.hpp>

namespace pktverbs::verbs {

namespace {

AddressOptions options_for(const OpenDevice& device, const Endpoint& peer) {
    AddressOptions options;
    options.gid = peer.gid;
    options.gid_index = device.gid_towards(peer.gid).index;
    options.port = device.device().port;
    options.lid = peer.lid;
    return options;
}

}  // namespace

ibv_ah_attr AddressOptions::to_attr() const {
    if (gid_index > std::numeric_limits<std::uint8_t>::max())
        throw_error(EINVAL, fmt::format("send from GID index {}", gid_index),
                    "an address has 8 bits for it: choose one up to 255");
    ibv_ah_attr attr{};
    attr.is_global = gid.is_zero() ? 0 : 1;
    attr.grh.dgid = to_gid(gid);
    attr.grh.sgid_index = static_cast<std::uint8_t>(gid_index);
    attr.grh.hop_limit = hop_limit;
    attr.grh.traffic_class = traffic_class;
    attr.dlid = lid;
    attr.sl = service_level;
    attr.port_num = port;
    return attr;
}

AddressHandle::AddressHandle(ProtectionDomain pd, const AddressOptions& options) : pd_{std::move(pd)} {
    const OpenDevice& device = pd_.device();
    ibv_ah_attr attr = options.to_attr();
    const std::string what = fmt::format("create an address handle to {}", options.gid.to_string());
    ah_ = AhHandle{
        check_pointer(device.action("create_ah", what), [&] { return device.provider().create_ah(pd_.raw(), &attr); }),
        {&device.provider()}};
}

AddressHandle::AddressHandle(const ProtectionDomain& pd, const Endpoint& peer)
    : AddressHandle{pd, options_for(pd.device(), peer)} {}

AddressHandle& AddressHandle::operator=(AddressHandle&& other) noexcept {
    ah_ = std::move(other.ah_);  // before the old one's domain
    pd_ = std::move(other.pd_);
    return *this;
}

}  // namespace pktverbs::verbs
