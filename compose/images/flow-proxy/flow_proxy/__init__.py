"""The controller of the lab's proxy: it writes HAProxy's configuration and keeps it in Consul.

Where to read what:

    settings       the environment, as one frozen value
    services       what a student may ask for, and what is refused
    configuration  from services to the text of haproxy.cfg
    haproxy        the HAProxy process: check, start, reload, stop
    children       PID 1's duty: bury the processes that nobody waits for
    outbound       one HTTP request with time limits that hold
    consul         the state in Consul's KV store, with fail-over
    restore        a new replica learns what the others know
    proxy          one change at a time: check, store, swap, reload
    distribute     the same request for every replica
    replies        the JSON that callers read
    commands       what reconfigure and remove do and answer
    api            paths and query parameters
    main           the order of it all, and the end
"""
