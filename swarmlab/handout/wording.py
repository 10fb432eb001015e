"""The handout's own words, in each language: headings, labels, a few sentences.

Words of the lab itself (steps, checks, glossary) come from the lab's files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from swarmlab.errors import UsageError
from swarmlab.words import say


@dataclass(frozen=True)
class Wording:
    """Everything that a handout says by itself; `{...}` is filled in.

    `parts` names what a recording lists versions of, where its own name is not good enough.
    """

    student: str
    teacher: str
    name: str
    group: str
    date: str
    learn: str
    contents: str
    glance: str
    glance_text: tuple[str, ...]
    legend: str
    legend_text: tuple[str, ...]
    legend_sample: str
    step: str
    type_this: str
    on_host: str
    see: str
    see_nothing: str
    not_recorded: str
    lines_left_out: str
    takes: str
    think: str
    answer: str
    checks: str
    checks_text: str
    glossary: str
    troubles: str
    you_see: str
    do: str
    card: str
    card_text: str
    timing: str
    plan: str
    plan_text: str
    plan_step: str
    plan_minutes: str
    plan_machine: str
    plan_points: str
    plan_sum: str
    show: str
    mistakes: str
    instead_of: str
    right_after: str
    after_all: str
    caught: str
    # What ends a sentence, the space to the next one included.
    stop: str
    # The same of what introduces something, and words in brackets after others.
    colon: str
    aside: str
    when_failed: str
    point: str
    colophon: str
    recorded: str
    unrecorded: str
    parts: Mapping[str, str]
    page: str
    copy: str
    copied: str
    seconds: str
    minutes: str


ENGLISH = Wording(
    student="For students",
    teacher="For teachers",
    name="Name",
    group="Class",
    date="Date",
    learn="What you will learn",
    contents="Contents",
    glance="The cluster at a glance",
    glance_text=(
        "Three **nodes**, swarm-1 to swarm-3, are containers on one machine, each with a Docker "
        "engine of its own. Together they are a swarm, and all three are its managers. You type "
        "in the **workstation**, which has the tools of the chapter; `docker` works on the node "
        "that you choose with `eval $(docker-machine env swarm-1)`.",
        "By the end of the lab each node runs Consul, six instances of the proxy share the "
        "visitors' requests, and behind them are a small service, go-demo, and its database.",
    ),
    legend="How to read these pages",
    legend_text=(
        "Commands stand in a frame with a thick edge and have a number. Type or copy them whole; "
        "no line is broken.",
        "Below each is what a real run printed. What is underlined differs from run to run: yours "
        "will show other ids, times and addresses.",
        "Tick a box when `swarmlab step`, followed by the number of the step, says that this check "
        "passed. For what stays true, `swarmlab verify` with the number says so too.",
    ),
    legend_sample="started",
    step="Step {number}",
    type_this="Type",
    on_host="on your own machine, not in the workstation",
    see="You should see",
    see_nothing="Nothing is printed.",
    not_recorded="There is no recording of this command.",
    lines_left_out="[ {count} lines are left out here ]",
    takes="about {minutes} minutes",
    think="Think",
    answer="Answer",
    checks="What is checked",
    checks_text=(
        "`swarmlab step {number}` runs the commands and looks at all of these; "
        "`swarmlab verify {number}` runs nothing and looks only at what stays true."
    ),
    glossary="Glossary",
    troubles="When something goes wrong",
    you_see="You see",
    do="What to do",
    card="Command card",
    card_text="$IP is the address of a node, $ID a container, NAME a service.",
    timing="typing and checks took {seconds} on the recorded run",
    plan="Plan of the lesson",
    plan_text=(
        "Minutes are typical for a class, reading and thinking included; the machine's time is "
        "that of the recorded run. Points are for what holds from the end of a step on; "
        "a check of a passing moment earns none."
    ),
    plan_step="Step",
    plan_minutes="Minutes",
    plan_machine="Machine",
    plan_points="Points",
    plan_sum="Together",
    show="Show",
    mistakes="Typical mistakes",
    instead_of="instead of {number}",
    right_after="after {number}",
    after_all="after the whole step",
    caught="noticed by the check “{title}”",
    stop=". ",
    colon=": ",
    aside=" ({})",
    when_failed="If it fails",
    point="Points",
    colophon="Where the results come from",
    recorded=(
        "All results were printed by a real run, recorded on {date} in {seconds}; the data plane "
        "of the swarm was {data_plane}."
    ),
    unrecorded="This lab has no recorded run, so no results are shown.",
    parts={
        "engine of the nodes": "Docker engine of the nodes",
        "engine of the machine": "Docker engine of the machine",
        "kernel": "Linux kernel",
    },
    page="Page {page} of {pages}",
    copy="Copy",
    copied="Copied",
    seconds="{number} s",
    minutes="{minutes} min {seconds} s",
)

CHINESE = Wording(
    student="学生版",
    teacher="教师版",
    name="姓名",
    group="班级",
    date="日期",
    learn="你将学到什么",
    contents="目录",
    glance="集群一览",
    glance_text=(
        "三个**节点**（swarm-1 到 swarm-3）是同一台机器上的容器，各自运行一个 Docker 引擎。"
        "它们组成一个 Swarm 集群，三个节点都是管理节点。命令在**工作站**里输入，那里备有本章用到的"
        "全部工具；先用 `eval $(docker-machine env swarm-1)` 选定节点，`docker` 命令便作用于它。",
        "实验结束时，每个节点上都运行着 Consul，六个代理实例分担访问者的请求，它们后面是小服务 "
        "go-demo 和它的数据库。",
    ),
    legend="如何阅读本讲义",
    legend_text=(
        "带粗边框并有编号的是命令，请完整输入或复制；任何一行都不会被折断。",
        "命令下方是一次真实运行的输出。带下划线的部分每次运行都不同："
        "你看到的 ID、时间和地址会不一样。",
        "`swarmlab step` 加步骤编号显示某项检查通过后，在它的方框里打勾；"
        "对于一直成立的事，`swarmlab verify` 加步骤编号也能确认。",
    ),
    legend_sample="started",
    step="第 {number} 步",
    type_this="输入",
    on_host="在你自己的机器上输入，不在工作站里",
    see="你应当看到",
    see_nothing="没有输出。",
    not_recorded="这条命令没有录制的结果。",
    lines_left_out="[ 此处省略 {count} 行 ]",
    takes="约 {minutes} 分钟",
    think="想一想",
    answer="参考答案",
    checks="检查项",
    checks_text=(
        "`swarmlab step {number}` 会执行命令并查看下面的每一项；"
        "`swarmlab verify {number}` 不执行命令，只查看一直成立的那些。"
    ),
    glossary="术语表",
    troubles="遇到问题时",
    you_see="看到的现象",
    do="怎么办",
    card="命令卡片",
    card_text="$IP 是某个节点的地址，$ID 是容器，NAME 是服务名。",
    timing="录制时命令与检查共用 {seconds}",
    plan="课堂安排",
    plan_text=(
        "“课堂”是一个班通常需要的分钟数，包括阅读和思考；“机器”是录制时机器所用的时间。"
        "“分值”只计从该步结束起一直成立的检查；只在当时成立的检查不计分。"
    ),
    plan_step="步骤",
    plan_minutes="课堂（分钟）",
    plan_machine="机器",
    plan_points="分值",
    plan_sum="合计",
    show="课堂演示",
    mistakes="常见错误",
    instead_of="代替 {number}",
    right_after="在 {number} 之后",
    after_all="在整个步骤之后",
    caught="由检查“{title}”发现",
    stop="。",
    colon="：",
    aside="（{}）",
    when_failed="未通过时",
    point="分值",
    colophon="结果从何而来",
    recorded=(
        "所有结果都出自一次真实的运行，录制于 {date}，用时 {seconds}；"
        "集群的数据平面是 {data_plane}。"
    ),
    unrecorded="本实验没有录制的运行，因此不显示结果。",
    parts={
        "engine of the nodes": "节点的 Docker 引擎",
        "engine of the machine": "主机的 Docker 引擎",
        "kernel": "Linux 内核",
    },
    page="第 {page} 页，共 {pages} 页",
    copy="复制",
    copied="已复制",
    seconds="{number} 秒",
    minutes="{minutes} 分 {seconds} 秒",
)

LANGUAGES = {"en": ENGLISH, "zh": CHINESE}


def wording(language: str) -> Wording:
    """The words in that language. Raises UsageError for one that is not there."""
    if language not in LANGUAGES:
        raise UsageError(
            say("There are no handouts in {language!r}.", language=language),
            hint=say("Choose a language with --lang: {names}.", names=say(", ").join(LANGUAGES)),
        )
    return LANGUAGES[language]


def duration(words: Wording, seconds: float) -> str:
    """Seconds as people read them."""
    if seconds < 9.95:
        return words.seconds.format(number=f"{seconds:.1f}")
    whole = round(seconds)
    if whole < 60:
        return words.seconds.format(number=whole)
    return words.minutes.format(minutes=whole // 60, seconds=f"{whole % 60:02d}")
