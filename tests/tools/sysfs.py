# SPDX-License-Identifier: Apache-2.0
"""Makes trees as the kernel has them in /sys and /proc, for NICs that nobody has here."""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def link(path, target):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def interface(root, name, flags="0x1003", mtu=1500, operstate="up", speed=None):
    folder = root / "sys/class/net" / name
    write(folder / "flags", flags)
    write(folder / "mtu", mtu)
    write(folder / "operstate", operstate)
    write(folder / "address", "02:00:00:00:00:07")
    if speed:
        write(folder / "speed", speed)
    return folder


def card(root, name, pci, driver, now, most, numa_node=0, local_cpus="0-3", irqs=(), **options):
    """With a PCI Express link of (speed, lanes), and interrupts as (number, processors)."""
    folder = interface(root, name, **options)
    device = root / "sys/devices/pci" / pci
    for key, value in (("numa_node", numa_node), ("local_cpulist", local_cpus), ("current_link_speed", now[0]),
                       ("current_link_width", now[1]), ("max_link_speed", most[0]), ("max_link_width", most[1])):
        write(device / key, value)
    link(device / "driver", f"../../../bus/pci/drivers/{driver}")
    link(device / "subsystem", "../../../bus/pci")
    link(folder / "device", device)
    for number, cpus in irqs:
        write(device / "msi_irqs" / str(number), "msix")
        write(root / f"proc/irq/{number}/smp_affinity_list", cpus)
