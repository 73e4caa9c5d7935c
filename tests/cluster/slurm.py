"""A SLURM cluster of this machine alone: one controller and two nodes, on loopback, in a folder of its own.

It needs slurmctld, slurmd and their commands (Debian: apt install slurm-wlm), no munge, no accounting, no root.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import psutil

NODES = ("one", "two")
COMMANDS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "sinfo", "srun")
UNTIL_DOWN = 15  # seconds after which a node that does not answer is given up

# auth/none because nothing but this machine can connect, and munge would want a service of the system's;
# config_overrides lets a node have more cores than there are, for tasks that ask for eight
CONF = """ClusterName=reprec
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool-%n
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd-%n.pid
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdTimeout={until_down}
ReturnToService=2
MpiDefault=none
SlurmdParameters=config_overrides
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
PartitionName=all Nodes=ALL Default=YES State=UP MaxTime=INFINITE
"""
NODE = "NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=8 RealMemory=16000\n"


class Cluster:
    """The running cluster; `environment` is what its commands need to find it."""

    def __init__(self, place: Path):
        self.place, self.daemons = place, {}
        ports = _free_ports(1 + len(NODES))
        text = CONF.format(place=place, ports=ports, user=getpass.getuser(), until_down=UNTIL_DOWN)
        nodes = [NODE.format(name=name, port=port) for name, port in zip(NODES, ports[1:], strict=True)]
        (place / "state").mkdir(parents=True)
        (place / "slurm.conf").write_text(text.replace("PartitionName", "".join(nodes) + "PartitionName"))
        (place / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")  # Debian 12's looks for v2 where there is none
        self.environment = {**os.environ, "SLURM_CONF": str(place / "slurm.conf")}
        # Snakemake's plugin takes SLURM's variables out of a job, since clusters have their configuration where SLURM
        # looks for it: here the commands themselves tell where that is
        (place / "bin").mkdir()
        for name in COMMANDS:
            (place / "bin" / name).write_text(
                f'#!/bin/sh\nSLURM_CONF={place}/slurm.conf exec {shutil.which(name)} "$@"\n'
            )
            (place / "bin" / name).chmod(0o755)
        self.environment["PATH"] = f"{place}/bin:{os.environ['PATH']}"

    def start(self, *daemon: str) -> None:
        """Start `slurmctld`, or `slurmd -N <node>`."""
        log = (self.place / f"{'-'.join(daemon)}.out").open("ab")
        # a session of its own, so that an interruption of the script does not reach it before the script can stop it
        self.daemons[daemon] = subprocess.Popen(
            [*daemon, "-D"], env=self.environment, stdout=log, stderr=log, start_new_session=True
        )

    def start_node(self, name: str) -> None:
        self.start("slurmd", "-N", name)

    def kill_node_daemon(self, name: str) -> None:
        """kill -9 of slurmd; the jobs of the node go on without it."""
        self.daemons["slurmd", "-N", name].kill()
        self.daemons["slurmd", "-N", name].wait()

    def kill_node(self, name: str, job: str) -> None:
        """The node is dead: slurmd, what watches over its job, and the job."""
        self.kill_node_daemon(name)
        for process in self._of_job(job):
            process.kill()

    def ask(self, *command: str) -> str:
        """What a command of SLURM prints."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout

    def jobs(self) -> dict[str, tuple[str, str]]:
        """(state, node) of each job that waits or runs, by its number and what it is for."""
        rows = [line.split("|") for line in self.ask("squeue", "-h", "-o", "%i|%k|%T|%N").splitlines()]
        return {(number, comment): (state, node) for number, comment, state, node in rows}

    def wait_until_ready(self) -> None:
        for _ in range(60):
            time.sleep(1)
            try:
                if self.ask("sinfo", "-h", "-N", "-o", "%T").split() == ["idle"] * len(NODES):
                    return
            except subprocess.CalledProcessError:  # the controller does not answer yet
                pass
        raise TimeoutError(f"the cluster did not start: see {self.place}/*.out and *.log")

    def stop(self) -> None:
        """End all that was started, jobs first."""
        subprocess.run(["scancel", "--user", getpass.getuser()], env=self.environment, capture_output=True)
        time.sleep(2)
        for process in psutil.process_iter(["cmdline", "environ"]):  # what scancel did not reach
            if (process.info["environ"] or {}).get("SLURM_CONF") == self.environment["SLURM_CONF"]:
                process.send_signal(signal.SIGKILL)

    def _of_job(self, job: str) -> list[psutil.Process]:
        steps = [p for p in psutil.process_iter(["cmdline"]) if f"[{job}." in " ".join(p.info["cmdline"] or [])]
        return [process for step in steps for process in (step, *step.children(recursive=True))]


@contextmanager
def running(place: Path):
    """Yield a Cluster that is stopped at the end, whatever happens."""
    if missing := [name for name in COMMANDS if not shutil.which(name)]:
        raise SystemExit(f"SLURM is not installed ({', '.join(missing)}): Debian has it as slurm-wlm")
    cluster = Cluster(place)
    try:
        cluster.start("slurmctld")
        for name in NODES:
            cluster.start_node(name)
        cluster.wait_until_ready()
        yield cluster
    finally:
        cluster.stop()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
