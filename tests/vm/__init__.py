"""The chapter on a stock Debian kernel with IPVS and cgroup v2, in an emulated machine."""
