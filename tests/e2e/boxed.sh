#!/bin/sh
# Runs dnatctl from the tree of the image as a node would: its user, its root read-only, /tmp empty
# and its own. What the test hands over is at the path where the test has it.
# Usage: boxed.sh ROOT FOLDER ARGUMENT...   (in a mount namespace of its own)
set -eu
root=$1 folder=$2
shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=1777,size=16m tmpfs "$root/tmp"
mkdir -p "$root$folder"
mount --bind "$folder" "$root$folder"
mount -o remount,bind,ro "$root$folder"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
touch "$root/dev/null" "$root/dev/urandom"
mount --bind /dev/null "$root/dev/null"
mount --bind /dev/urandom "$root/dev/urandom"
exec env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin PYTHONPATH=/app/lib \
  PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 ALIBABA_CLOUD_ECS_METADATA_DISABLED=true \
  chroot --userspec=65532:65532 "$root" /usr/local/bin/dnatctl "$@"
