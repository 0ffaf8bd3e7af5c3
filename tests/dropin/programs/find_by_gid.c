// SPDX-License-Identifier: Apache-2.0
// find_by_gid RECEIVER SENDER: finds devices by interface, like hashpipe_ibverbs: the device with the GID made from the
// interface's MAC address, on any port. Without an interface, by MAC address.
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "exchange.h"

static void find_mac(const char* text, uint8_t mac[6]) {
    if (strchr(text, ':')) {
        CHECK(sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) == 6);
        return;
    }
    struct ifreq request = {0};
    CHECK(strlen(text) < sizeof request.ifr_name);
    strcpy(request.ifr_name, text);
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(fd >= 0);
    CHECK(ioctl(fd, SIOCGIFHWADDR, &request) == 0);
    close(fd);
    memcpy(mac, request.ifr_hwaddr.sa_data, 6);
}

static bool has_gid(struct ibv_context* context, const union ibv_gid* wanted) {
    struct ibv_device_attr device;
    CHECK_ZERO(ibv_query_device(context, &device));
    for (uint8_t port = 1; port <= device.phys_port_cnt; ++port) {
        struct ibv_port_attr attr;
        CHECK_ZERO(ibv_query_port(context, port, &attr));
        CHECK(attr.gid_tbl_len > 0);
        for (int i = 0; i < attr.gid_tbl_len; ++i) {
            union ibv_gid gid;
            CHECK_ZERO(ibv_query_gid(context, port, i, &gid));
            if (memcmp(&gid, wanted, sizeof gid) == 0) return true;
        }
    }
    return false;
}

static struct nic open_by_mac(const char* text) {
    uint8_t mac[6];
    find_mac(text, mac);
    // RFC 4291, appendix A
    const union ibv_gid wanted = {.raw = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, (uint8_t)(mac[0] ^ 2), mac[1], mac[2], 0xff,
                                          0xfe, mac[3], mac[4], mac[5]}};

    struct ibv_device** const list = ibv_get_device_list(NULL);
    CHECK(list != NULL);
    struct ibv_context* found = NULL;
    for (int i = 0; list[i] && !found; ++i) {
        struct ibv_context* const context = ibv_open_device(list[i]);
        CHECK(context != NULL);
        if (has_gid(context, &wanted))
            found = context;
        else
            CHECK_ZERO(ibv_close_device(context));
    }
    ibv_free_device_list(list);
    CHECK(found != NULL);
    struct nic nic = make_nic(found);
    CHECK(memcmp(nic.mac, mac, 6) == 0);
    return nic;
}

int main(int argc, char* argv[]) {
    CHECK(argc == 3);
    struct nic receiver = open_by_mac(argv[1]), sender = open_by_mac(argv[2]);
    exchange(&receiver, &sender);
    close_nic(&sender);
    close_nic(&receiver);
    return 0;
}
