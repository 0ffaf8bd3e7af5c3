// SPDX-License-Identifier: Apache-2.0
// find_by_name RECEIVER SENDER: finds devices by their verbs names, for which most programs have an option.
#include "exchange.h"

int main(int argc, char* argv[]) {
    CHECK(argc == 3);
    struct nic receiver = open_nic(argv[1]), sender = open_nic(argv[2]);

    CHECK(strcmp(ibv_get_device_name(receiver.context->device), argv[1]) == 0);
    struct ibv_device_attr device;
    CHECK_ZERO(ibv_query_device(receiver.context, &device));
    CHECK(device.phys_port_cnt == 1);
    CHECK(device.max_raw_ethy_qp > 0);
    CHECK(ibv_get_device_guid(receiver.context->device) != ibv_get_device_guid(sender.context->device));

    exchange(&receiver, &sender);
    close_nic(&sender);
    close_nic(&receiver);
    return 0;
}
