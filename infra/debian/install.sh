#!/bin/sh
# Installs the Debian packages that osteoscreen needs, as root: install.sh [run|tests]
#   run    what the program needs: Python with venv, and make
#   tests  that, and what the tests talk to: Orthanc with its DICOMweb plugin, a real archive that tests start by
#          hand on the loopback; DCMTK, whose programs are DIMSE peers written by others; and openssl, which makes
#          the certificates of a test
# `apt-get update` is left to the caller.
set -eu
packages="make python3 python3-venv"
case "${1:-run}" in
run) ;;
tests) packages="$packages orthanc orthanc-dicomweb dcmtk openssl" ;;
*)
    echo "usage: install.sh [run|tests]" >&2
    exit 2
    ;;
esac
echo "installing $packages"
# Debian starts a service on installation; tests start servers of their own, so that one is not wanted.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
fi
# shellcheck disable=SC2086 # one word for each package
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
