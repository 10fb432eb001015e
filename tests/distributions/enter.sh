#!/bin/sh
# Run a program in a distribution, as the user `student`, in a clone of the repository. Called by
# room.py in a mount and process namespace of its own, so that all of it ends with the program.
set -eu
root=$SCRATCH/root
upper=$SCRATCH/upper${NO_VENV:+-no-venv}
mkdir -p "$root" "$upper" "$SCRATCH/work"
mount -t overlay overlay -o "lowerdir=$TREE,upperdir=$upper,workdir=$SCRATCH/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --make-rslave "$root/sys"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"
# Never through a link that a distribution has in the place of a file: it would lead out of it.
rm -f "$root/etc/resolv.conf" "$root/etc/pip.conf"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp "$SCRATCH/pip.conf" "$root/etc/pip.conf"
mount --bind -o ro /etc/ssl/certs "$root/etc/ssl/certs"

# What pip's settings name on this machine.
echo "$LOCAL" | while read -r path; do
    [ -n "$path" ] || continue
    case $path in /etc/ssl/certs/*) continue ;; esac
    if [ -d "$path" ]; then
        mkdir -p "$root$path"
    else
        mkdir -p "$root$(dirname "$path")"
        : >"$root$path"
    fi
    mount --bind -o ro "$path" "$root$path"
done

if ! chroot "$root" id student >/dev/null 2>&1; then
    chroot "$root" groupadd -o -g "$GROUP" docker
    chroot "$root" useradd -m -s /bin/bash student
    cp -a "$SCRATCH/clone" "$root/home/student/swarmlab"
    chroot "$root" chown -R student:student /home/student
fi
# A PATH with all that the scripts need, and a python3 that is too old to say so.
mkdir -p "$root/opt/old-python"
for program in make sh cat cksum dirname env id rm; do
    ln -sf "$(chroot "$root" which "$program")" "$root/opt/old-python/$program"
done
ln -sf /bin/false "$root/opt/old-python/python3"
rm -f "$root/run/docker.sock"
if [ -n "$SOCKET" ]; then
    : >"$root$SOCKET"
    mount --bind "$SOCKET" "$root$SOCKET"
fi
# What the package python3-venv brings.
[ -z "$NO_VENV" ] || rm -rf "$root"/usr/lib/python3.*/ensurepip
groups=$(chroot "$root" id -g student)
[ -z "$MEMBER" ] || groups=$groups,$GROUP
# Not by words of a command: a proxy's password would stand in the list of processes.
cp "$SCRATCH/environment" "$root/home/student/.environment"
chroot "$root" chown student:student /home/student/.environment
chroot=$(command -v chroot)
exec env -i "$chroot" --userspec=student:student --groups="$groups" "$root" \
    sh -c '. /home/student/.environment && cd /home/student/swarmlab && exec "$@"' sh "$@"
