#!/bin/sh
# Makes the base image's file tree with debootstrap and writes it to standard output as a tar.
#   make.sh ARCHITECTURE SUITE MIRROR SETTINGS-FOLDER
# SWARMLAB_MIRROR_LOGIN is a line of .netrc for the mirror, if that wants one.
# Needs root. swarmlab starts it in mount and process namespaces of its own, and it works on a
# tmpfs where memory allows: an interrupted run leaves nothing behind, and dpkg's many syncs cost
# nothing. Standard input must be a pipe that its caller holds: once that ends, so does this.
set -eu
arch=$1 suite=$2 mirror=$3 settings=$4

work=$(mktemp -d /var/tmp/swarmlab-base.XXXXXX)  # mktemp fills the X in
clear_up() {
    trap '' INT TERM HUP
    cd /
    # The first process of a namespace reaches those of its namespace alone.
    if [ $$ = 1 ]; then kill -s KILL -- -1 2>/dev/null || true; fi
    umount -R "$work" 2>/dev/null || umount -R -l "$work" 2>/dev/null || true
    rm -rf --one-file-system "$work"
}
trap clear_up EXIT
trap 'exit 130' INT TERM HUP
exec 3<&0 </dev/null
{ cat <&3 >/dev/null; kill -TERM $$; } >/dev/null 2>&1 &
exec 3<&-

# A mount point in any case: one unmounting then reaches whatever was mounted inside.
available=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
{
    [ "$available" -gt 2000000 ] && mount -t tmpfs -o size=1g,mode=755 swarmlab-base "$work"
} || mount --bind "$work" "$work"
tree=$work/tree

include=
case $mirror in https:*) include=--include=ca-certificates ;; esac
if [ -n "${SWARMLAB_AUTHORITIES:-}" ]; then
    # Debian's wget knows none of the variables that name authorities.
    echo "ca_certificate = $SWARMLAB_AUTHORITIES" >"$work/wgetrc"
    export WGETRC="$work/wgetrc"
fi
home=${HOME:-/} login=
if [ -n "${SWARMLAB_MIRROR_LOGIN:-}" ]; then
    # Neither in the tree nor in anybody's command line.
    (umask 077 && printf '%s\n' "$SWARMLAB_MIRROR_LOGIN" >"$work/.netrc")
    home=$work login=yes
    unset SWARMLAB_MIRROR_LOGIN
fi
# An unset LANG keeps perl from warning about locales that the new tree does not have. It runs
# in the background, because a shell hears no signal while it waits for a foreground command.
env -u LANG -u LC_ALL HOME="$home" DEBIAN_FRONTEND=noninteractive \
    debootstrap --variant=minbase --arch="$arch" $include "$suite" "$tree" "$mirror" >&2 &
wait $!

# Later layers must never delete a file of this one (a deletion would need a whiteout, which the
# nodes' preloaded store cannot hold), so everything that they might delete goes now.
cd "$tree"
rm -rf usr/share/doc/* usr/share/man/* usr/share/info/* usr/share/locale/* usr/share/lintian \
    usr/share/bug var/cache/apt/* var/cache/debconf/*-old var/cache/ldconfig/* var/lib/apt/lists/* var/log/* var/tmp/* tmp/* run/* \
    var/lib/dpkg/*-old var/lib/systemd etc/hostname etc/resolv.conf etc/passwd- etc/shadow- \
    etc/group- etc/gshadow-
: >etc/machine-id
cp -R "$settings/." .
conf=etc/apt/apt.conf.d/90swarmlab-carried
case $mirror$login in
    https:* | *yes)
        # What comes along with each build and stays in no image.
        install -m 755 "$settings/../carried" usr/local/sbin/swarmlab-carried
        cat >$conf <<'EOF'
APT::Update::Pre-Invoke { "/usr/local/sbin/swarmlab-carried"; };
Dir::Etc::netrc "/dev/shm/swarmlab-login.conf";
EOF
        ;;
esac
case $mirror in
    https:*) echo 'Acquire::https::CAInfo "/dev/shm/swarmlab-authorities.crt";' >>$conf ;;
esac
tar --numeric-owner --sort=name -cf - --exclude='./dev/*' --exclude='./proc/*' \
    --exclude='./sys/*' .
