#!/usr/bin/env bash
# A one-node Slurm cluster on this machine, the workflow through sbatch on it, and its tables against those of one process.
#   tests/slurm_cluster.sh VENV BATCH_VENV [PROFILE]      as root, with Debian's slurmctld, slurmd, slurm-client and munge
# It starts three daemons of its own, writes /etc/slurm/slurm.conf and gres.conf, which must not be there, and takes all of that
# away at the end, however it ends.
set -euo pipefail
venv=$1 batch_venv=$2 profile=${3:-smoke}
root=$(cd "$(dirname "$0")/.." && pwd)
say() { echo "test-slurm: $*"; }
refuse() { say "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || refuse "found user $(id -un), expected root, since slurmd starts jobs; run it as root or in a container"
for program in munged slurmctld slurmd sbatch; do
  command -v $program >/dev/null || refuse "missing $program; apt-get install --no-install-recommends slurmctld slurmd slurm-client munge"
done
for file in /etc/slurm/slurm.conf /etc/slurm/gres.conf; do
  [ ! -e $file ] || refuse "found $file: this machine has a cluster already; use another one"
done

folder=$(mktemp -d /tmp/chromolib-slurm.XXXXXX)
pids=()
stop() {
  status=$?
  trap - EXIT
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do kill "${pids[i]}" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -f /etc/slurm/slurm.conf /etc/slurm/gres.conf
  if [ $status = 0 ]; then rm -rf "$folder"; else say "failed; logs and data are in $folder" >&2; fi
  exit $status
}
trap stop EXIT
trap 'exit 130' INT TERM

start() { # NAME COMMAND...
  "${@:2}" >"$folder/$1.out" 2>&1 &
  pids+=($!)
}

say "starting munged, slurmctld and slurmd in $folder"
mkdir -p /etc/slurm "$folder/state" "$folder/spool"
chmod 755 "$folder"
head -c 1024 /dev/urandom >"$folder/munge.key"
chmod 400 "$folder/munge.key"
cores=$(env -u OMP_NUM_THREADS nproc)
for ((i = 0; i < cores; i++)); do touch "$folder/gpu$i"; done  # stand for GPUs that jobs take turns on, one for each core
cat >/etc/slurm/slurm.conf <<CONF
ClusterName=chromolib
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.sock
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
SlurmdParameters=config_overrides  # a node of that size is claimed, whatever this machine has
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=0  # a machine that is busy is not a lost node
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
MinJobAge=600
GresTypes=gpu
NodeName=localhost NodeHostname=localhost NodeAddr=127.0.0.1 Port=16818 CPUs=$cores RealMemory=64000 Gres=gpu:$cores State=UNKNOWN
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE DefMemPerCPU=1000 State=UP
PartitionName=gpu Nodes=ALL MaxTime=INFINITE DefMemPerCPU=1000 State=UP
CONF
echo "NodeName=localhost Name=gpu File=$folder/gpu[0-$((cores - 1))]" >/etc/slurm/gres.conf
start munged munged --foreground --force --key-file="$folder/munge.key" --socket="$folder/munge.sock" \
  --pid-file="$folder/munge.pid" --log-file="$folder/munge.log" --seed-file="$folder/munge.seed"
for _ in $(seq 50); do [ -S "$folder/munge.sock" ] && break; sleep 0.2; done
start slurmctld slurmctld -D
start slurmd slurmd -D -N localhost
for _ in $(seq 100); do [ "$(sinfo -h -p gpu -o %T 2>/dev/null)" = idle ] && break; sleep 0.5; done
[ "$(sinfo -h -p gpu -o %T)" = idle ] || refuse "the node did not come up; see $folder/*.log"

export OMP_NUM_THREADS=1  # digits depend on the number of threads
batch() { # DATA TARGET OPTIONS...
  CHROMOLIB_DATA="$folder/$1" make -C "$root" -o "$venv/.installed-book" -o "$batch_venv/.installed" -o tools batch \
    PROFILE="$profile" VENV="$venv" BATCH_VENV="$batch_venv" BATCH_ARGS="$2 ${*:3}"
}
lose_one() { # the first training that runs, once
  until job=$(squeue -h -p gpu -t R -o %i | head -1) && [ -n "$job" ]; do sleep 1; done
  scancel "$job"
  say "cancelled job $job, as if its node were lost"
}
# The profile that users start from, but features get too little memory in their first try.
mkdir "$folder/slurm-profile"
sed '/^  features:/,/runtime/s/attempt \* 8000/attempt * 450/' "$root/profiles/slurm/config.yaml" >"$folder/slurm-profile/config.yaml"
say "profile $profile through sbatch"
began=$SECONDS
lose_one &
pids+=($!)
# The status is asked of the queue, since there is no accounting.
batch slurm pages --profile "$folder/slurm-profile" --slurm-status-command squeue --slurm-init-seconds-before-status-checks 3 \
  --seconds-between-status-checks 3 --latency-wait 5 --jobs "$cores" ${SLURM_TEST_ARGS:-} 2>&1 | tee "$folder/batch.out"
say "through sbatch: $((SECONDS - began)) s"
grep -q "SLURM status is: 'CANCELLED'" "$folder/batch.out" || refuse "no job was seen to be cancelled"
grep -q mem_mb=900 "$folder/batch.out" || refuse "no job was tried again with more memory"
say "the same in one process"
began=$SECONDS
# Notebook 1 shows the cell types that have features, and the workflow has made them all by then.
CHROMOLIB_DATA="$folder/inline" "$venv/bin/chromolib" preprocess "$profile" >>"$folder/inline.out" 2>&1
for notebook in $("$venv/bin/python" -c 'import sys; from chromolib import load_profile; print(*load_profile(sys.argv[1]).notebooks)' "$profile"); do
  CHROMOLIB_DATA="$folder/inline" "$venv/bin/chromolib" notebook "$profile" "$notebook" >>"$folder/inline.out" 2>&1 || refuse "$notebook failed; see $folder/inline.out"
done
say "in one process: $((SECONDS - began)) s"
(cd "$root" && "$venv/bin/python" -m tests.batches "$folder/slurm" "$folder/inline" "$(basename "$profile" .yml)")
