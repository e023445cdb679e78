#!/usr/bin/env python3
"""Times `pki` beside the tools that it replaces, in one alternating run.

Installs nothing. On Debian: apt-get install openssl gnutls-bin golang-cfssl mkcert easy-rsa ca-certificates time
Builds nothing: cargo build --release -p pki-cli --bin pki --example bare_rcgen

    pki-cli/benches/peers.py                  every case but RSA-4096
    pki-cli/benches/peers.py bulk oneshot     these cases
    pki-cli/benches/peers.py rsa              CA and two leaves with RSA-4096, means of 15 runs
    pki-cli/benches/peers.py --folder /dev/shm ...   in memory, for CPU time without a disk

Each figure is the median of the runs with the smallest and the largest in brackets; a ratio compares medians of the
same alternation. CPU time is that of the process and its children, user and system together: it moves little when
others use the machine, while time on the wall does; the load is printed before and after.
"""

import argparse
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
EASYRSA = "/usr/share/easy-rsa/easyrsa"


def have(tool):
    return shutil.which(tool) is not None or Path(tool).exists()


class Work:
    """A folder that is new for each run. All are removed at the end: an ext4 without a journal looks at each inode that was
    freed within the last minutes before it takes a free one, so what one run removes makes the files of the next dear."""

    def __init__(self, options):
        self.options = options
        self.pki = str(options.pki)
        self.bare = str(options.bare)
        self.top = Path(tempfile.mkdtemp(prefix="pki-bench-", dir=options.folder))
        self.count = 0

    def new(self):
        self.count += 1
        folder = self.top / f"run{self.count}"
        folder.mkdir()
        return folder


def timed(command, folder, env=None):
    """Runs a command and returns (seconds on the wall, seconds of CPU)."""
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
    before = os.getcwd()
    os.chdir(folder)
    try:
        start = time.perf_counter()
        pid = os.posix_spawnp(command[0], command, env or os.environ, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - start
    finally:
        os.chdir(before)
        os.close(null)
    if status:
        sys.exit(f"{command} in {folder} failed with {status}")
    return wall, usage.ru_utime + usage.ru_stime


def quiet(command, folder):
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Contender:
    def __init__(self, name, prepare, command, per=1, runs=None, env=None):
        self.name, self.prepare, self.command, self.per, self.env = name, prepare, command, per, env
        self.runs = runs
        self.wall, self.cpu = [], []


def alternate(work, title, contenders, runs, unit, mean=False):
    print(f"\n## {title}\n\nload before: {os.getloadavg()[0]:.2f}")
    for turn in range(runs):
        for one in contenders:
            if one.runs and turn >= one.runs:
                continue
            folder = work.new()
            one.prepare(folder)
            os.sync()
            wall, cpu = timed(one.command, folder, one.env)
            one.wall.append(wall / one.per)
            one.cpu.append(cpu / one.per)
    middle = statistics.mean if mean else statistics.median
    factor, name = {"ms": (1e3, "ms"), "us": (1e6, "µs")}[unit]
    first = contenders[0]
    print(f"load after: {os.getloadavg()[0]:.2f}\n")
    print(f"| case | wall {name} | CPU {name} | wall / first | CPU / first |\n| --- | --- | --- | --- | --- |")
    for one in contenders:
        def show(values):
            return f"{middle(values) * factor:.4g} ({min(values) * factor:.4g}–{max(values) * factor:.4g})"
        wall, cpu = middle(one.wall) / middle(first.wall), middle(one.cpu) / middle(first.cpu)
        print(f"| {one.name} | {show(one.wall)} | {show(one.cpu)} | {wall:.3g} | {cpu:.3g} |")
    sys.stdout.flush()


def manifest(leaves, days=60, key=None, single=False):
    text = '[ca]\nsubject = "/CN=Root CA"\n'
    text += "single_tier = true\n" if single else ""
    text += f'key = "{key}"\n' if key else ""
    text += f"[defaults]\ndays = {days}\n" + (f'key = "{key}"\n' if key else "")
    for number in range(leaves):
        text += f'[certificate.leaf-{number:05}]\nprofile = "server"\ndns = ["leaf-{number:05}.example.org"]\n'
    return text


def with_ca(work):
    def prepare(folder):
        (folder / "empty.toml").write_text(manifest(0))
        quiet([work.pki, "apply", "empty.toml"], folder)
        (folder / "pki.toml").write_text(manifest(work.options.leaves))
    return prepare


OPENSSL_CA = """
openssl ecparam -genkey -name prime256v1 -noout -out ca.key
openssl req -x509 -new -key ca.key -subj "/CN=Root CA" -days 3650 -out ca.crt
printf 'basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature\\nextendedKeyUsage=serverAuth\\n' > ext
"""
OPENSSL_LOOP = """
for i in $(seq {n}); do
  mkdir leaf-$i
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout leaf-$i/tls.key -subj "/CN=leaf-$i" -out leaf-$i/csr
  cp ext leaf-$i/ext; echo "subjectAltName=DNS:leaf-$i.example.org" >> leaf-$i/ext
  openssl x509 -req -in leaf-$i/csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 60 -extfile leaf-$i/ext -out leaf-$i/tls.crt
done
"""
OPENSSL_DB = """
[ca]
default_ca = d
[d]
dir = .
database = index.txt
new_certs_dir = new
certificate = ca.crt
private_key = ca.key
serial = serial
rand_serial = yes
default_md = sha256
default_days = 60
policy = p
copy_extensions = copy
x509_extensions = e
[p]
commonName = supplied
[e]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
"""
CFSSL_PREPARE = """
echo '{"CN":"Root CA","key":{"algo":"ecdsa","size":256}}' > ca.json
cfssl gencert -initca ca.json | cfssljson -bare ca
echo '{"signing":{"default":{"expiry":"1440h","usages":["digital signature","server auth"]}}}' > config.json
"""
CFSSL_LOOP = """
for i in $(seq {n}); do
  echo '{{"CN":"leaf","hosts":["leaf-'$i'.example.org"],"key":{{"algo":"ecdsa","size":256}}}}' > r.json
  cfssl gencert -ca ca.pem -ca-key ca-key.pem -config config.json r.json | cfssljson -bare leaf-$i
done
"""
CERTTOOL_PREPARE = """
certtool --generate-privkey --key-type ecdsa --curve secp256r1 --outfile ca.key
printf 'cn = "Root CA"\\nca\\ncert_signing_key\\nexpiration_days = 3650\\n' > ca.tmpl
certtool --generate-self-signed --load-privkey ca.key --template ca.tmpl --outfile ca.crt
"""
CERTTOOL_LOOP = """
for i in $(seq {n}); do
  printf 'cn = "leaf"\\ndns_name = "leaf-'$i'.example.org"\\ntls_www_server\\nsigning_key\\nexpiration_days = 60\\n' > t
  certtool --generate-privkey --key-type ecdsa --curve secp256r1 --outfile leaf-$i.key
  certtool --generate-certificate --load-privkey leaf-$i.key --load-ca-certificate ca.crt --load-ca-privkey ca.key --template t --outfile leaf-$i.crt
done
"""
MKCERT_LOOP = """
for i in $(seq {n}); do mkcert -ecdsa -cert-file leaf-$i.crt -key-file leaf-$i.key leaf-$i.example.org; done
"""
EASYRSA_LOOP = """
for i in $(seq {n}); do {easyrsa} --batch --use-algo=ec --curve=prime256v1 build-server-full leaf-$i nopass; done
"""


def shell(script):
    return ["sh", "-ec", script]


def bulk(work):
    leaves, few = work.options.leaves, work.options.peer_leaves
    cores = os.cpu_count() or 1
    nothing = lambda folder: None
    one_core = ["taskset", "-c", "0"]
    contenders = [
        Contender(f"pki apply, {cores} cores", with_ca(work), [work.pki, "apply", "pki.toml"], leaves),
        Contender(f"bare rcgen loop, {cores} threads", nothing, [work.bare, "out", str(leaves), str(cores)], leaves),
        Contender("pki apply, 1 core", with_ca(work), one_core + [work.pki, "apply", "pki.toml"], leaves),
        Contender("bare rcgen loop, 1 thread", nothing, one_core + [work.bare, "out", str(leaves), "1"], leaves),
    ]

    def script(text):
        return lambda folder: quiet(shell(text), folder)

    if have("openssl"):
        def requests(folder):
            (folder / "ca.cnf").write_text(OPENSSL_DB)
            quiet(shell(OPENSSL_CA + f"""
                mkdir new csr; : > index.txt
                for i in $(seq {10 * few}); do openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
                  -keyout csr/$i.key -subj "/CN=leaf-$i" -addext subjectAltName=DNS:leaf-$i.example.org -out csr/$i.csr; done
                """), folder)
        contenders += [
            Contender("openssl req + x509 -req", script(OPENSSL_CA), shell(OPENSSL_LOOP.format(n=few)), few, 3),
            Contender("openssl ca -batch, CSRs ready", requests,
                      shell("openssl ca -config ca.cnf -batch -notext -infiles csr/*.csr"), 10 * few, 3),
        ]
    if have("mkcert"):
        env = dict(os.environ, CAROOT="ca", TRUST_STORES="none")
        def root(folder):
            (folder / "ca").mkdir()
            subprocess.run(["mkcert", "-ecdsa", "warm.example.org"], cwd=folder, env=env, check=True, capture_output=True)
        contenders.append(Contender("mkcert -ecdsa", root, shell(MKCERT_LOOP.format(n=few)), few, 3, env))
    if have("cfssl"):
        contenders.append(Contender("cfssl gencert | cfssljson", script(CFSSL_PREPARE), shell(CFSSL_LOOP.format(n=few)), few, 3))
    if have("certtool"):
        contenders.append(Contender("certtool, two processes", script(CERTTOOL_PREPARE), shell(CERTTOOL_LOOP.format(n=few)), few, 3))
    if have(EASYRSA):
        prepare = f"{EASYRSA} --batch init-pki; {EASYRSA} --batch --use-algo=ec --curve=prime256v1 build-ca nopass"
        contenders.append(Contender("easyrsa build-server-full", script(prepare),
                                    shell(EASYRSA_LOOP.format(n=8, easyrsa=EASYRSA)), 8, 2))
    alternate(work, f"Bulk issue, {leaves} P-256 leaves, per certificate", contenders, work.options.runs, "us")


def renewal(work):
    def prepare(folder):
        (folder / "pki.toml").write_text(manifest(work.options.leaves))
        quiet([work.pki, "apply", "pki.toml"], folder)
        (folder / "pki.toml").write_text(manifest(work.options.leaves, days=50))
    def kept(folder):
        (folder / "pki.toml").write_text(manifest(work.options.leaves))
        quiet([work.pki, "apply", "pki.toml"], folder)
    command = [work.pki, "apply", "pki.toml"]
    alternate(work, f"Re-issue of {work.options.leaves} pairs in place, per certificate", [
        Contender("pki apply, fresh", with_ca(work), command, work.options.leaves),
        Contender("pki apply, all replaced", prepare, command, work.options.leaves),
        Contender("pki apply, nothing to do", kept, command, work.options.leaves),
    ], work.options.runs, "us")


CHAPTER = """
openssl req -x509 -newkey {key} -nodes -days 365 -keyout ca-key.pem -out ca-cert.pem -subj "/C=TR/CN=CA"
openssl req -newkey {key} -nodes -keyout server-key.pem -out server-req.pem -subj "/C=TR/CN=server"
openssl x509 -req -in server-req.pem -days 60 -CA ca-cert.pem -CAkey ca-key.pem -CAcreateserial -out server-cert.pem -extfile ext
openssl req -newkey {key} -nodes -keyout client-key.pem -out client-req.pem -subj "/C=TR/CN=client"
openssl x509 -req -in client-req.pem -days 60 -CA ca-cert.pem -CAkey ca-key.pem -CAcreateserial -out client-cert.pem -extfile ext
"""


def three(work, title, openssl_key, key, runs, mean):
    def ours(folder):
        (folder / "pki.toml").write_text(manifest(2, key=key, single=True))
    def theirs(folder):
        (folder / "ext").write_text("subjectAltName=DNS:*.example.org\n")
    contenders = [Contender("pki apply: CA, two leaves", ours, [work.pki, "apply", "pki.toml"])]
    if have("openssl"):
        contenders.append(Contender("five openssl processes", theirs, shell(CHAPTER.format(key=openssl_key))))
    alternate(work, title, contenders, runs, "ms", mean)


def oneshot(work):
    three(work, "CA, server and client with P-256 in one process, durable",
          "ec -pkeyopt ec_paramgen_curve:prime256v1", None, 4 * work.options.runs, False)


def rsa(work):
    three(work, "CA, server and client with RSA-4096 (means)", "rsa:4096", "rsa-4096", 15, True)


def start(work):
    nothing = lambda folder: None
    contenders = [Contender("pki --version", nothing, [work.pki, "--version"])]
    for command in (["openssl", "version"], ["certtool", "--version"], ["mkcert", "-version"], ["cfssl", "version"], ["true"]):
        if have(command[0]):
            contenders.append(Contender(" ".join(command), nothing, command))
    alternate(work, "Start-up", contenders, 8 * work.options.runs, "ms")
    for command in ([work.pki, "--version"], ["openssl", "version"], ["true"]):
        show_memory(command, work.top)


def show_memory(command, folder):
    """Peak memory, measured by a parent that is small itself."""
    if not have("/usr/bin/time"):
        print("(peak memory needs /usr/bin/time: apt-get install time)")
        return
    run = subprocess.run(["/usr/bin/time", "-f", "%M"] + command, cwd=folder, capture_output=True, text=True)
    print(f"peak memory of {' '.join(Path(word).name for word in command)}: {int(run.stderr.split()[-1]) / 1024:.1f} MiB")


def read(work):
    folder = work.new()
    quiet([work.pki, "init"], folder)
    quiet([work.pki, "issue", "web", "--dns", "web.example.org"], folder)
    everything = (folder / "system.pem")
    everything.write_bytes(Path(BUNDLE).read_bytes() + (folder / "certs/ca/root.crt").read_bytes())
    nothing = lambda folder: None
    leaf, issuing = str(folder / "certs/web/tls.crt"), str(folder / "certs/ca/issuing.crt")
    alternate(work, "The system's bundle as text", [
        Contender("pki inspect", nothing, [work.pki, "inspect", BUNDLE]),
        Contender("openssl storeutl -text", nothing, ["openssl", "storeutl", "-noout", "-text", BUNDLE]),
        Contender("certtool -i", nothing, ["certtool", "-i", "--infile", BUNDLE]),
    ], 4 * work.options.runs, "ms")
    alternate(work, "A chain against the system's bundle", [
        Contender("pki verify", nothing, [work.pki, "verify", leaf, "--trust", str(everything), "--intermediates", issuing]),
        Contender("openssl verify", nothing, ["openssl", "verify", "-CAfile", str(everything), "-untrusted", issuing, leaf]),
    ], 4 * work.options.runs, "ms")
    shutil.rmtree(folder)


def memory(work):
    folder = work.new()
    (folder / "pki.toml").write_text(manifest(10_000))
    print("\n## Peak memory\n")
    show_memory([work.pki, "apply", "pki.toml"], folder)
    shutil.rmtree(folder)


def index(work):
    folder = work.new()
    quiet([work.pki, "init"], folder)
    quiet([work.pki, "issue", "web", "--dns", "web.example.org"], folder)
    database = sqlite3.connect(folder / "certs/ca/index.db")
    columns = [row[1] for row in database.execute("PRAGMA table_info(certificate)")]
    changed = {
        "serial": "printf('%016x%024x', random(), n)",
        "name": "'leaf-' || n",
        "fingerprint": "printf('%064x', n)",
        # One in 2,000 ends within a month.
        "not_after": "CASE n % 2000 WHEN 0 THEN strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+20 days') "
                     "ELSE strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '+' || (40 + n % 300) || ' days') END",
    }
    values = ", ".join(changed.get(column, column) for column in columns)
    # Indexes are made after the rows, as that is much faster.
    database.execute("PRAGMA cache_size = -400000")
    database.execute("PRAGMA synchronous = OFF")
    indexes = database.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = 'certificate'").fetchall()
    for name, _ in indexes:
        database.execute(f"DROP INDEX {name}")
    database.execute(
        f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {work.options.rows}) "
        f"INSERT INTO certificate ({', '.join(columns)}) SELECT {values} FROM certificate, c WHERE name = 'web'")
    for _, sql in indexes:
        database.execute(sql)
    database.commit()
    rows = database.execute("SELECT count(*) FROM certificate").fetchone()[0]
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    size = (folder / "certs/ca/index.db").stat().st_size / 2**20
    print(f"\n## Index with {rows:,} rows ({size:.0f} MiB)")
    certs = str(folder / "certs")
    nothing = lambda folder: None
    small = work.new()
    quiet([work.pki, "init"], small)
    few = str(small / "certs")
    alternate(work, "Commands on it", [
        Contender("pki list --expiring 30d", nothing, [work.pki, "--dir", certs, "list", "--expiring", "30d"]),
        Contender("the same, few rows", nothing, [work.pki, "--dir", few, "list", "--expiring", "30d"]),
        Contender("pki issue", nothing, [work.pki, "--dir", certs, "issue", "x", "--force", "--dns", "x.example.org"]),
        Contender("the same, few rows", nothing, [work.pki, "--dir", few, "issue", "x", "--force", "--dns", "x.example.org"]),
    ], 4 * work.options.runs, "ms")


CASES = {"start": start, "oneshot": oneshot, "read": read, "bulk": bulk, "renewal": renewal,
         "memory": memory, "index": index, "rsa": rsa}


def describe(options):
    def first(command):
        try:
            run = subprocess.run(command, capture_output=True, text=True)
            return (run.stdout or run.stderr).strip().splitlines()[0]
        except (OSError, IndexError):
            return "not installed"
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), "unknown CPU")
    system = first(["stat", "-f", "-c", "%T", str(options.folder)])
    print(f"{os.cpu_count()} × {cpu}, {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB, "
          f"Linux {os.uname().release}, {system} at {options.folder}, {time.strftime('%Y-%m-%d %H:%M')} UTC")
    for command in ([str(options.pki), "--version"], ["openssl", "version"], ["certtool", "--version"],
                    ["cfssl", "version"], ["mkcert", "-version"], [EASYRSA, "version"]):
        print(f"- {Path(command[0]).name}: {first(command)}")


def main():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--pki", type=Path, default=target / "pki")
    parser.add_argument("--bare", type=Path, default=target / "examples/bare_rcgen")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where the work is done")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--leaves", type=int, default=1000)
    parser.add_argument("--peer-leaves", type=int, default=20, help="how many a slow peer makes")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    for needed in (options.pki, options.bare):
        if not needed.exists():
            sys.exit(f"{needed} is missing: cargo build --release -p pki-cli --bin pki --example bare_rcgen")
    unknown = [case for case in options.cases if case not in CASES]
    if unknown:
        sys.exit(f"there is no case {unknown[0]}; there are {', '.join(CASES)}")
    missing = [tool for tool in ("openssl", "certtool", "cfssl", "mkcert", EASYRSA) if not have(tool)]
    if missing:
        print(f"left out: {', '.join(missing)} (apt-get install openssl gnutls-bin golang-cfssl mkcert easy-rsa)")
    describe(options)
    work = Work(options)
    try:
        for name in options.cases or [name for name in CASES if name != "rsa"]:
            CASES[name](work)
    finally:
        shutil.rmtree(work.top, ignore_errors=True)


if __name__ == "__main__":
    main()
