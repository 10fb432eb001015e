"""The routing mesh of a swarm, done with nftables where the kernel has no IPVS.

A swarm promises two things about every service. Inside an overlay network its
name leads to one virtual address, the VIP, behind which all its tasks stand.
And a published port answers on every node, wherever the tasks run. The engine
leaves both to IPVS, a load balancer inside the Linux kernel. A kernel built
without IPVS keeps neither promise.

This package keeps them with nftables, which every kernel that runs Docker has.
Read the modules in the order in which a change travels through them:

    probe    does this kernel need us at all?
    engine   how to ask the engine, and how to hear its events
    swarm    what only managers know: protocols, and tasks on their way out
    view     what the engine knows, as a few plain values
    plan     from those values to the rules we want: a pure function
    apply    bring the rules into the network namespaces of this node
    loop     when to look again
"""
