"""The program that looks around in one node for as long as somebody watches.

It is asked in a line, `{"swarm": true}`, and answers in a line. What it told before and is still
so is left out, so that a lab where nothing happens costs next to nothing to watch. The parts:

- `containers`: what runs, each with its id, names and labels; null when the engine is silent,
- `nodes`, `tasks`, `services`: as the swarm lists them, if it was asked for; null from an engine
  that cannot speak for a swarm now,
- `members`: those that the node's Consul knows; an empty list when it does not answer,
- `texts`: the configuration of each proxy that runs here, by its container's id; null for none
  that is a plain file,
- `pages`: HAProxy's statistics page of each, with the columns that are counted; null of a paused
  one.

Its words are the engine's socket, host and port of the node's Consul, and the proxies' service.
It reads files, the engine and HAProxy's page from the node's side, needs no tool in a proxy's
image, and changes nothing; asking for the page is not counted as an answer of the proxy.

Nobody vouches for what is in a student's container, or behind Consul's port: no link is followed
out of a container, nothing but a plain file is opened, answers are cut, and each has to be whole
in time, as all of a look has to be. Whoever is late is left in peace for some seconds, and counts
as silent meanwhile.
"""

PROGRAM = r"""
import base64, csv, http.client, json, os, signal, socket, stat, sys, time

where, consul, service = sys.argv[1:]
home = os.open("/proc/self/ns/net", os.O_RDONLY)
login = {"Authorization": "Basic " + base64.b64encode(b"admin:admin").decode()}
swarm = ("nodes", "tasks", "services")
known, told, peace = {}, {}, {}
LOOK, PEACE = 3.0, 3.0  # seconds
due = 0.0

class Engine(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(where)

def late(number, frame):
    raise TimeoutError

signal.signal(signal.SIGALRM, late)

def asked(connection, path, who, seconds=2.0, most=1 << 24, **more):
    now = time.monotonic()
    seconds = min(seconds, due - now)
    if seconds <= 0 or now < peace.get(who, 0):
        raise TimeoutError
    # Over all of it: a socket's own limit is one for each byte.
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        connection.request("GET", path, **more)
        answer = connection.getresponse()
        text = answer.read(most)
        if len(text) == most:
            raise ValueError("endless")
    except BaseException as error:
        connection.close()  # what comes late is no answer to the next question
        if isinstance(error, TimeoutError):
            peace[who] = time.monotonic() + PEACE
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if answer.status != 200:
        raise ValueError(answer.status)
    return text.decode(errors="replace").strip()

def pid(engine, box):
    if not known.get(box) or not os.path.exists("/proc/%d" % known[box]):
        known[box] = json.loads(asked(engine, "/containers/%s/json" % box, box))["State"]["Pid"]
    return known[box]

def text(number):
    # Step by step: an absolute link in the path would lead to a file of the node.
    at = os.open("/proc/%d/root" % number, os.O_PATH)
    try:
        for part in ("cfg", "haproxy.cfg"):
            above, at = at, os.open(part, os.O_PATH | os.O_NOFOLLOW, dir_fd=at)
            os.close(above)
        if not stat.S_ISREG(os.fstat(at).st_mode):
            raise ValueError("no file")
        file = os.open("/proc/self/fd/%d" % at, os.O_RDONLY | os.O_NONBLOCK)
    finally:
        os.close(at)
    with open(file, "rb") as file:
        return (file.read(1 << 18) or b"").decode(errors="replace")

def page(number, box, seconds):
    there = os.open("/proc/%d/ns/net" % number, os.O_RDONLY)
    try:
        os.setns(there, os.CLONE_NEWNET)
        connection = http.client.HTTPConnection("127.0.0.1", 80)
        try:
            path = "/admin?stats;csv"
            found = asked(connection, path, (box, 80), seconds, 1 << 18, headers=login)
        finally:
            connection.close()
    finally:
        os.setns(home, os.CLONE_NEWNET)
        os.close(there)
    rows = list(csv.reader(found.lstrip("# ").splitlines()))
    counted = [at for at, name in enumerate(rows[0]) if name[:5] in ("pxnam", "svnam", "hrsp_")]
    return "\n".join(",".join(row[at] for at in counted) for row in rows)

TROUBLE = (OSError, LookupError, TypeError, ValueError, RecursionError, csv.Error,
           http.client.HTTPException)

def proxies(engine, boxes):
    texts, pages = {}, {}
    until = time.monotonic() + 1  # for all of them
    for box in boxes:
        texts[box] = pages[box] = None
        try:
            number = pid(engine, box)
            texts[box] = text(number)
            if boxes[box] == "running":
                pages[box] = page(number, box, until - time.monotonic())
        except TROUBLE:
            if texts[box] is None:
                known.pop(box, None)
    for lost in set(known) - set(boxes):
        del known[lost]
    return {"texts": json.dumps(texts), "pages": json.dumps(pages)}

def members():
    connection = http.client.HTTPConnection(consul)
    try:
        found = json.loads(asked(connection, "/v1/agent/members", "consul", 1.0, 1 << 20))
        found = [one for one in found if isinstance(one, dict)]
        return json.dumps(sorted(found, key=lambda one: str(one.get("Addr"))))
    except TROUBLE:
        return "[]"
    finally:
        connection.close()

def look(of_swarm):
    engine = Engine("engine")
    seen = {"members": members()}
    try:
        boxes = json.loads(asked(engine, "/containers/json", "engine"))
        cut = [{name: box[name] for name in ("Id", "Names", "Labels")} for box in boxes]
        there = {box["Id"]: box["State"] for box in boxes
                 if (box["Labels"] or {}).get("com.docker.swarm.service.name") == service}
        seen["containers"] = json.dumps(cut)
        seen.update(proxies(engine, there))
    except TROUBLE:
        seen["containers"] = "null"
    if of_swarm:
        seen.update(dict.fromkeys(swarm, "null"))
        try:
            if seen["containers"] != "null":
                seen.update({part: asked(engine, "/" + part, "swarm") for part in swarm})
        except TROUBLE:
            seen.update(dict.fromkeys(swarm, "null"))
    engine.close()
    return seen

for line in sys.stdin:
    due = time.monotonic() + LOOK
    seen = look(json.loads(line)["swarm"])
    fresh = {part: text for part, text in seen.items() if told.get(part) != text}
    told.update(fresh)
    parts = ('"%s": %s' % one for one in fresh.items())
    print("{%s}" % ", ".join(parts), flush=True)
"""
