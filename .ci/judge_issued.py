"""Issues with the binary `pki` (first argument) in an empty folder (second), and judges what was issued by pkilint and
the table in a document (third); see .ci/pkilint."""
import collections, contextlib, io, json, os, re, shutil, subprocess, sys
from pkilint.bin import lint_crl, lint_pkix_cert, lint_pkix_signer_signee_cert_chain as lint_pair

pki, work, document = sys.argv[1:]
counted = collections.Counter()
failures = []
KEYS = ["p256", "p384", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096"]
PROFILES = ["server", "client", "peer"]
SUBJECT = "/C=TR/ST=Izmir/L=Izmir/O=Yazılım/OU=CA/CN="


def run(folder, *arguments):
    done = subprocess.run([pki, "--dir", os.path.join(work, folder), *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"pki {' '.join(arguments)}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def blocks(path):
    """The PEM blocks of a file, each in a file of its own: (label, path)."""
    with open(path) as file:
        text = file.read()
    for number, match in enumerate(re.finditer(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----\n", text, re.S)):
        name = f"{path}.{number}"
        with open(name, "w") as file:
            file.write(match[0])
        yield match[1], name


def issue():
    """Hierarchies of two tiers with each kind of key, one of one tier, one with name constraints."""
    for folder, arguments in [(key, ["--key", key]) for key in KEYS] + [
        ("single", ["--single-tier"]),
        ("bound", ["--permit-dns", "a.dev", "--permit-dns", "localhost"]),
    ]:
        key = folder if folder in KEYS else "p256"
        run(folder, "init", "--subject", SUBJECT + folder, *arguments)
        for profile in PROFILES:
            run(folder, "issue", profile, "--profile", profile, "--key", key, "--dns", f"{profile}.a.dev")
        run(folder, "issue", "names", "--profile", "peer", "--subject", SUBJECT + "names/emailAddress=a@a.dev",
            "--dns", "a.dev,*.a.dev,localhost", "--ip", "10.0.0.1", "--ip", "2001:db8::1",
            "--uri", "spiffe://a.dev/order", "--uri", "https://a.dev/", "--email", "a@a.dev")
        # The first CRLs are empty, the later ones have entries; each issuer's number grows.
        ca = os.path.join(work, folder, "ca")
        run(folder, "crl")
        keep(ca, "crl-0.pem")
        ask_strangers(folder)
        run(folder, "revoke", "client", "--reason", "keyCompromise", "--invalidity-date", "2026-01-02T03:04:05Z")
        run(folder, "revoke", "peer")
        keep(ca, "crl-2.pem")
        yield folder


def keep(ca, name):
    shutil.copyfile(os.path.join(ca, "crl.pem"), os.path.join(ca, name))


def ask_strangers(folder):
    """openssl and certtool accept every end entity, with the CRLs, for its purposes and for no other."""
    for profile in PROFILES:
        own = os.path.join(work, folder, profile)
        tls, ca, crl = (os.path.join(own, name) for name in ("tls.crt", "ca.crt", "crl.pem"))
        for purpose, oid in ("server", "1.3.6.1.5.5.7.3.1"), ("client", "1.3.6.1.5.5.7.3.2"):
            expected = profile in (purpose, "peer")
            for arguments in (
                ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-crl_check_all", "-purpose", "ssl" + purpose,
                 "-CAfile", ca, "-CRLfile", crl, "-untrusted", tls, tls],
                ["certtool", "--verify", "--verify-profile", "medium", "--verify-purpose", oid,
                 "--load-ca-certificate", ca, "--load-crl", crl, "--infile", tls],
            ):
                done = subprocess.run(arguments, capture_output=True, text=True)
                counted[arguments[0]] += 1
                remarks = [line for line in (done.stdout + done.stderr).splitlines() if re.search("warn", line, re.I)]
                if (done.returncode == 0) != expected or remarks:
                    failures.append(f"{arguments[0]}: {folder}/{profile} for a {purpose}: exit {done.returncode}: {done.stdout}{done.stderr}")


def lint(tool, *arguments):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tool.main(["lint", "--severity", "NOTICE", "--format", "JSON", *arguments])
    for result in json.loads(printed.getvalue())["results"]:
        for finding in result["finding_descriptions"]:
            yield finding["severity"], finding["code"], (finding.get("message") or "").replace("\n", " ")


def judge(folder):
    """Every finding about what lies in `folder`: (severity, code, message, file)."""
    ca = os.path.join(work, folder, "ca")
    above = None
    certificates = []
    for name in "root.crt", "issuing.crt":
        if os.path.exists(os.path.join(ca, name)):
            ((_, path),) = blocks(os.path.join(ca, name))
            certificates.append((path, above or path))
            above = path
    for name in [*PROFILES, "names"]:
        (_, path), *_ = blocks(os.path.join(work, folder, name, "tls.crt"))
        certificates.append((path, above))
    for path, issuer in certificates:
        counted["certificate"] += 1
        yield from ((*finding, path) for finding in lint(lint_pkix_cert, path))
        counted["issuer and subject"] += 1
        yield from ((*finding, path) for finding in lint(lint_pair, issuer, path))
    for file in sorted(os.listdir(ca)):
        if re.fullmatch(r"crl.*\.pem", file):
            for label, path in list(blocks(os.path.join(ca, file))):
                assert label == "X509 CRL", label
                counted["CRL"] += 1
                yield from ((*finding, path) for finding in lint(lint_crl, "--type", "CRL", "--profile", "PKIX", path))


with open(document) as file:
    accepted = set(re.findall(r"^\| `([a-z]+\.[a-z0-9_.]+)` \| `([^`]+)` \|", file.read(), re.M))
seen = collections.Counter()
wrong = 0
for folder in issue():
    for severity, code, message, path in judge(folder):
        # What the remark is about stands in quotes at the end of its message.
        about = re.search(r'"([^"]*)"$', message)
        remark = (code, about[1] if about else message)
        seen[remark] += 1
        if remark not in accepted:
            wrong += 1
            print(f"pkilint: {severity} {os.path.relpath(path, work)}: {code} {message}".encode("ascii", "backslashreplace").decode())
for code, about in sorted(accepted - set(seen)):
    wrong += 1
    print(f"pkilint: {code} about {about} is explained in {document} and no longer occurs; take it out")
print("pkilint: " + ", ".join(f"{number} × {what}" for what, number in counted.items()))
print("pkilint: explained remarks: " + (", ".join(f"{number} × {' '.join(remark)}" for remark, number in sorted(seen.items()) if remark in accepted) or "none"))
for failure in failures:
    wrong += 1
    print(failure)
for kind in "certificate", "issuer and subject", "CRL", "openssl", "certtool":
    if not counted[kind]:
        wrong += 1
        print(f"pkilint: no {kind} was judged")
sys.exit(1 if wrong else 0)
