#!/bin/sh
# Makes the virtual machine's root file system, from Debian packages alone.
#   root.sh MIRROR WHEELS GUEST IMAGE      needs root, debootstrap and mke2fs
# Leaves IMAGE (ext4) and beside it the kernel and its initial file system: vmlinuz, initrd.
set -eu
mirror=$1 wheels=$2 guest=$3 image=$4

work=$(mktemp -d /var/tmp/swarmlab-vm.XXXXXX)  # mktemp fills the X in
trap 'umount "$work/tree/proc" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM HUP
tree=$work/tree

packages=systemd-sysv,udev,dbus,kmod,procps,iproute2,iptables,ca-certificates
packages=$packages,linux-image-cloud-amd64,initramfs-tools,zstd
packages=$packages,docker.io,docker-cli,python3,python3-venv

echo "· debootstrap of Debian 13 with a kernel and Docker"
env -u LANG DEBIAN_FRONTEND=noninteractive debootstrap --variant=minbase \
    --include="$packages" trixie "$tree" "$mirror" >"$work/log" 2>&1 ||
    { tail -n 30 "$work/log" >&2; exit 1; }

echo "· the environment for the wheel"
cp -R "$wheels" "$tree/wheels"
mount -t proc proc "$tree/proc"
chroot "$tree" python3 -m venv /opt/swarmlab
chroot "$tree" /opt/swarmlab/bin/pip --isolated install --quiet --no-index --disable-pip-version-check \
    --find-links /wheels -r /wheels/requirements
umount "$tree/proc"
rm -rf "$tree/wheels"

cp "$guest/proof.service" "$tree/etc/systemd/system/"
wants=$tree/etc/systemd/system/multi-user.target.wants
mkdir -p "$wants"
ln -sf ../proof.service "$wants/proof.service"
# The console is the proof's; nobody logs in, and nothing is fetched behind its back.
ln -sf /dev/null "$tree/etc/systemd/system/serial-getty@ttyS0.service"
ln -sf /dev/null "$tree/etc/systemd/system/getty@tty1.service"
for timer in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim; do
    ln -sf /dev/null "$tree/etc/systemd/system/$timer.timer"
done
echo stock >"$tree/etc/hostname"
printf '127.0.0.1 localhost stock\n' >"$tree/etc/hosts"
: >"$tree/etc/resolv.conf"
cat >"$tree/etc/fstab" <<TABLE
/dev/vda / ext4 defaults,noatime 0 0
/dev/vdb /var/lib/docker ext4 defaults,noatime 0 0
TABLE
rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc/*

echo "· the disk"
cp "$tree"/boot/vmlinuz-* "$(dirname "$image")/vmlinuz"
cp "$tree"/boot/initrd.img-* "$(dirname "$image")/initrd"
rm -f "$image"
mke2fs -q -t ext4 -d "$tree" "$image" 4G
