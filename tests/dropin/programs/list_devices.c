// SPDX-License-Identifier: Apache-2.0
// list_devices: prints whether the kernel gave this program other privileges than its caller's, and the devices that it
// sees.
#include <infiniband/verbs.h>
#include <stdio.h>
#include <sys/auxv.h>

int main(void) {
    printf("AT_SECURE=%lu\n", getauxval(AT_SECURE));
    struct ibv_device** const devices = ibv_get_device_list(NULL);
    if (!devices) return 0;  // ENOSYS on a machine without RDMA
    for (struct ibv_device** device = devices; *device; ++device) puts(ibv_get_device_name(*device));
    ibv_free_device_list(devices);
    return 0;
}
