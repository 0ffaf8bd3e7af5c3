#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
# pyverbs_conversation.py RECEIVER SENDER: a raw packet conversation between two devices, through rdma-core's Python
# bindings.
import struct
import sys
import time

import pyverbs.enums as e
from pyverbs.cq import CQ, CompChannel
from pyverbs.device import Context, get_device_list
from pyverbs.flow import Flow, FlowAttr
from pyverbs.mr import MR
from pyverbs.pd import PD
from pyverbs.qp import QP, QPAttr, QPCap, QPInitAttr
from pyverbs.spec import EthSpec, TcpUdpSpec
from pyverbs.wr import SGE, RecvWR, SendWR

COUNT = 100
SLOT = 256


class End:
    def __init__(self, name):
        self.context = Context(name=name)
        gid = self.context.query_gid(1, 0).gid
        raw = bytes.fromhex(gid.replace(":", ""))
        self.mac = bytes([raw[8] ^ 2]) + raw[9:11] + raw[13:16]
        self.pd = PD(self.context)
        self.mr = MR(self.pd, COUNT * SLOT, e.IBV_ACCESS_LOCAL_WRITE)
        self.channel = CompChannel(self.context)
        self.cq = CQ(self.context, COUNT, None, self.channel)
        cap = QPCap(max_send_wr=COUNT, max_recv_wr=COUNT, max_send_sge=1, max_recv_sge=1)
        attr = QPInitAttr(qp_type=e.IBV_QPT_RAW_PACKET, scq=self.cq, rcq=self.cq, cap=cap)
        self.qp = QP(self.pd, attr, QPAttr(port_num=1))
        assert self.qp.qp_state == e.IBV_QPS_RTS, self.qp.qp_state

    def sge(self, slot, length):
        return SGE(self.mr.buf + slot * SLOT, length, self.mr.lkey)

    def completions(self, count):
        deadline = time.monotonic() + 60
        found = []
        while len(found) < count:
            _, some = self.cq.poll(count - len(found))
            found += some
            assert time.monotonic() < deadline, f"{len(found)} of {count} completions"
        for wc in found:
            assert wc.status == e.IBV_WC_SUCCESS, wc
        return found


def text(mac):
    return ":".join(f"{byte:02x}" for byte in mac)


def frame(src, dst, number):
    udp = struct.pack("!HHHH", 7000, 7148, 8 + 4, 0) + struct.pack("!I", number)
    ips = bytes([10, 9, 0, 1, 10, 9, 0, 2])
    ip = struct.pack("!BBHHHBBH8s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, ips)
    return (dst + src + b"\x08\x00" + ip + udp).ljust(60, b"\0")


def main():
    names = [device.name.decode() for device in get_device_list()]
    assert sys.argv[1] in names and sys.argv[2] in names, names
    receiver, sender = End(sys.argv[1]), End(sys.argv[2])
    assert receiver.mac != sender.mac
    port = receiver.context.query_port(1)
    assert port.state == e.IBV_PORT_ACTIVE and port.link_layer == e.IBV_LINK_LAYER_ETHERNET, port
    assert receiver.context.query_device().phys_port_cnt == 1
    print(receiver.context.query_device_ex())

    attr = FlowAttr(num_of_specs=2, port=1)
    attr.specs.append(EthSpec(ether_type=0x0800, dst_mac=text(receiver.mac)))
    attr.specs.append(TcpUdpSpec(e.IBV_FLOW_SPEC_UDP, dst_port=7148))
    flow = Flow(receiver.qp, attr)

    for slot in range(COUNT):
        receiver.qp.post_recv(RecvWR(wr_id=slot, num_sge=1, sg=[receiver.sge(slot, SLOT)]))
    receiver.cq.req_notify()
    for slot in range(COUNT):
        data = frame(sender.mac, receiver.mac, slot)
        sender.mr.write(data, len(data), slot * SLOT)
        sender.qp.post_send(SendWR(wr_id=slot, num_sge=1, sg=[sender.sge(slot, len(data))], opcode=e.IBV_WR_SEND))
    assert [wc.wr_id for wc in sender.completions(COUNT)] == list(range(COUNT))

    receiver.channel.get_cq_event(receiver.cq)
    receiver.cq.ack_events(1)
    for slot, wc in enumerate(receiver.completions(COUNT)):
        expected = frame(sender.mac, receiver.mac, slot)
        assert (wc.wr_id, wc.byte_len) == (slot, len(expected)), wc
        assert receiver.mr.read(len(expected), slot * SLOT) == expected, slot
    flow.close()
    for end in receiver, sender:
        end.context.close()
    print(f"{COUNT} frames")


main()
