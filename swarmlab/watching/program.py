"""The program that looks around in one node for as long as somebody watches.

It is asked in a line, `{"swarm": true}`, and answers in a line. What it told before and is still
so is left out, so that a lab where nothing happens costs next to nothing to watch. The parts:

- `containers`: what runs, each with its id, names and labels; null when the engine is silent,
- `slow`: whether that was for want of an answer in time,
- `nodes`, `tasks`, `services`: as the swarm lists them, if it was asked for; null from an engine
  that cannot speak for a swarm now,
- `members`: those that the node's Consul knows; an empty list when it does not answer,
- `texts`: the configuration of each proxy that runs here, by its container's id,
- `pages`: HAProxy's statistics page of each, with the columns that are counted.

Its words are the engine's socket, host and port of the node's Consul, and the proxies' service.
It reads files, the engine and HAProxy's page from the node's side, needs no tool in a proxy's
image, and changes nothing; asking for the page is not counted as an answer of the proxy.
"""

PROGRAM = r"""
import base64, csv, http.client, json, os, socket, sys

where, consul, service = sys.argv[1:]
home = os.open("/proc/self/ns/net", os.O_RDONLY)
login = {"Authorization": "Basic " + base64.b64encode(b"admin:admin").decode()}
swarm = ("nodes", "tasks", "services")
known, told = {}, {}

class Engine(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(2)
        self.sock.connect(where)

def asked(connection, path, **more):
    connection.request("GET", path, **more)
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace").strip()
    if answer.status != 200:
        raise ValueError(answer.status)
    return text

def pid(engine, box):
    if not known.get(box) or not os.path.exists("/proc/%d" % known[box]):
        known[box] = json.loads(asked(engine, "/containers/%s/json" % box))["State"]["Pid"]
    return known[box]

def page(number):
    there = os.open("/proc/%d/ns/net" % number, os.O_RDONLY)
    try:
        os.setns(there, os.CLONE_NEWNET)
        connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=1)
        try:
            text = asked(connection, "/admin?stats;csv", headers=login)
        finally:
            connection.close()
    finally:
        os.setns(home, os.CLONE_NEWNET)
        os.close(there)
    rows = list(csv.reader(text[:1 << 18].lstrip("# ").splitlines()))
    counted = [at for at, name in enumerate(rows[0]) if name[:5] in ("pxnam", "svnam", "hrsp_")]
    return "\n".join(",".join(row[at] for at in counted) for row in rows)

TROUBLE = (OSError, KeyError, IndexError, TypeError, ValueError, http.client.HTTPException)

def proxies(engine, boxes):
    texts, pages = {}, {}
    for box in boxes:
        texts[box] = pages[box] = None
        try:
            number = pid(engine, box)
            with open("/proc/%d/root/cfg/haproxy.cfg" % number, "rb") as file:
                texts[box] = file.read(1 << 18).decode(errors="replace")
            pages[box] = page(number)
        except TROUBLE:
            if texts[box] is None:
                known.pop(box, None)
    for lost in set(known) - set(boxes):
        del known[lost]
    return {"texts": json.dumps(texts), "pages": json.dumps(pages)}

def members():
    connection = http.client.HTTPConnection(consul, timeout=1)
    try:
        found = json.loads(asked(connection, "/v1/agent/members"))
        found = [one for one in found if isinstance(one, dict)]
        return json.dumps(sorted(found, key=lambda one: str(one.get("Addr"))))
    except TROUBLE:
        return "[]"
    finally:
        connection.close()

def look(of_swarm):
    engine = Engine("engine")
    seen = {"slow": "false", "members": members()}
    try:
        boxes = json.loads(asked(engine, "/containers/json"))
        cut = [{name: box[name] for name in ("Id", "Names", "Labels")} for box in boxes]
        seen["containers"] = json.dumps(cut)
        running = [box["Id"] for box in boxes if box["State"] == "running"
                   and (box["Labels"] or {}).get("com.docker.swarm.service.name") == service]
        seen.update(proxies(engine, running))
    except TROUBLE as error:
        seen["containers"] = "null"
        seen["slow"] = json.dumps(isinstance(error, TimeoutError))
    if of_swarm:
        seen.update(dict.fromkeys(swarm, "null"))
        try:
            if seen["containers"] != "null":
                seen.update({part: asked(engine, "/" + part) for part in swarm})
        except TROUBLE:
            seen.update(dict.fromkeys(swarm, "null"))
    engine.close()
    return seen

for line in sys.stdin:
    seen = look(json.loads(line)["swarm"])
    fresh = {part: text for part, text in seen.items() if told.get(part) != text}
    told.update(fresh)
    parts = ('"%s": %s' % one for one in fresh.items())
    print("{%s}" % ", ".join(parts), flush=True)
"""
