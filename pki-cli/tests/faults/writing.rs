//! The table of commands that write. A new one gets a row here, and every test of this folder applies to it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use crate::support::Home;

/// A command that writes.
pub(crate) struct Writing {
    /// For messages.
    pub(crate) name: &'static str,
    /// Files that are there before: name and content.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Commands that ran before.
    pub(crate) before: &'static [&'static str],
    /// The command.
    pub(crate) command: &'static str,
    /// What is there once it has succeeded.
    pub(crate) makes: &'static [&'static str],
    /// What a second run of the command ends with.
    pub(crate) again: i32,
}

const MANIFEST: (&str, &str) = (
    "pki.toml",
    "[ca]\nsubject = \"/CN=Root\"\n
[certificate.a]\nprofile = \"server\"\ndns = [\"a.dev\"]\n
[certificate.b]\nprofile = \"client\"\ndns = [\"b.dev\"]\n
[certificate.c]\nprofile = \"peer\"\ndns = [\"c.dev\"]\n",
);

const PAIR: &[&str] = &["certs/x/tls.crt", "certs/x/tls.key", "certs/x/ca.crt"];

const AUTHORITY: &[&str] = &[
    "certs/ca/root.crt",
    "certs/ca/root.key",
    "certs/ca/issuing.crt",
    "certs/ca/issuing.key",
    "certs/ca/index.db",
];

/// Every command that writes, once for each way in which it does.
pub(crate) const WRITING: &[Writing] = &[
    Writing {
        name: "init",
        files: &[],
        before: &[],
        command: "init",
        makes: AUTHORITY,
        again: 5,
    },
    Writing {
        name: "csr",
        files: &[],
        before: &[],
        command: "csr x --dns a.dev",
        makes: &["certs/x/tls.key", "certs/x/tls.csr"],
        again: 5,
    },
    Writing {
        name: "csr --force",
        files: &[],
        before: &["init", "issue x --dns a.dev"],
        command: "csr x --dns a.dev --force",
        makes: &["certs/x/tls.key", "certs/x/tls.csr"],
        again: 0,
    },
    Writing {
        name: "sign",
        files: &[],
        before: &["init", "csr x --dns a.dev"],
        command: "sign certs/x/tls.csr",
        makes: PAIR,
        again: 5,
    },
    Writing {
        name: "sign --force",
        files: &[],
        before: &["init", "csr x --dns a.dev", "sign certs/x/tls.csr"],
        command: "sign certs/x/tls.csr --force",
        makes: PAIR,
        again: 0,
    },
    Writing {
        name: "issue",
        files: &[],
        before: &["init"],
        command: "issue x --dns a.dev",
        makes: PAIR,
        again: 5,
    },
    Writing {
        name: "issue --force",
        files: &[],
        before: &["init", "issue x --dns a.dev"],
        command: "issue x --dns a.dev --force",
        makes: PAIR,
        again: 0,
    },
    Writing {
        name: "renew",
        files: &[],
        before: &["init", "issue x --dns a.dev"],
        command: "renew x",
        makes: PAIR,
        again: 0,
    },
    Writing {
        name: "rekey",
        files: &[],
        before: &["init", "issue x --dns a.dev"],
        command: "rekey x",
        makes: PAIR,
        again: 0,
    },
    Writing {
        name: "revoke",
        files: &[],
        before: &["init", "issue x --dns a.dev", "issue y --dns b.dev"],
        command: "revoke x --reason keyCompromise",
        makes: &["certs/ca/crl.pem", "certs/x/crl.pem", "certs/y/crl.pem"],
        again: 0,
    },
    Writing {
        name: "crl",
        files: &[],
        before: &["init", "issue x --dns a.dev", "crl"],
        command: "crl --force",
        makes: &["certs/ca/crl.pem", "certs/x/crl.pem"],
        again: 0,
    },
    Writing {
        name: "export",
        files: &[],
        before: &["init", "issue x --dns a.dev"],
        command: "export x --format pem --out certs/x.pem",
        makes: &["certs/x.pem"],
        again: 5,
    },
    Writing {
        name: "export --force",
        files: &[],
        before: &[
            "init",
            "issue x --dns a.dev",
            "export x --format pem --out certs/x.pem",
        ],
        command: "export x --format pem --out certs/x.pem --force",
        makes: &["certs/x.pem"],
        again: 0,
    },
    Writing {
        name: "import",
        files: &[],
        before: &["init", "issue y --dns a.dev"],
        command: "import x --cert certs/y/tls.crt --key certs/y/tls.key",
        makes: PAIR,
        again: 5,
    },
    Writing {
        name: "import ca",
        files: &[],
        before: &["init --dir other"],
        command: "import ca --cert other/ca/root.crt --key other/ca/root.key --issuing-cert other/ca/issuing.crt --issuing-key other/ca/issuing.key",
        makes: AUTHORITY,
        again: 5,
    },
    Writing {
        name: "ca rotate prepare",
        files: &[],
        before: &["init", "issue x --dns a.dev", "crl"],
        command: "ca rotate prepare --now --root",
        makes: &[
            "certs/ca/next.crt",
            "certs/ca/next.key",
            "certs/ca/next-root.crt",
            "certs/ca/next-root.key",
        ],
        again: 0,
    },
    Writing {
        name: "ca rotate activate",
        files: &[],
        before: &[
            "init",
            "issue x --dns a.dev",
            "crl",
            "ca rotate prepare --now --root",
        ],
        command: "ca rotate activate --now",
        makes: &["certs/ca/previous.crt", "certs/ca/previous-root.crt"],
        again: 0,
    },
    Writing {
        name: "ca rotate retire",
        files: &[],
        before: &[
            "init",
            "issue x --dns a.dev",
            "crl",
            "ca rotate prepare --now --root",
            "ca rotate activate --now",
            "renew x",
        ],
        command: "ca rotate retire --force",
        makes: AUTHORITY,
        again: 0,
    },
    Writing {
        name: "apply",
        files: &[MANIFEST],
        before: &[],
        command: "apply pki.toml",
        makes: &[
            "certs/ca/index.db",
            "certs/a/tls.crt",
            "certs/b/tls.key",
            "certs/c/ca.crt",
        ],
        again: 0,
    },
];

impl Writing {
    /// A folder in which everything is ready for the command.
    pub(crate) fn prepare(&self) -> Home {
        let home = Home::in_memory();
        for (name, content) in self.files {
            home.write(name, content);
        }
        for command in self.before {
            home.pki(command).succeeds();
        }
        home
    }

    /// Fails unless everything is there that the command makes.
    pub(crate) fn assert_made(&self, home: &Home, at: &str) {
        for name in self.makes {
            assert!(
                home.path(name).exists(),
                "{}, {at}: {name} is missing",
                self.name
            );
        }
    }
}

/// Copies a folder with everything in it, links as links.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            copy(&source, &target);
            let mode = entry.metadata().expect("metadata").permissions().mode();
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).expect("a mode");
        } else if kind.is_symlink() {
            symlink(fs::read_link(&source).expect("a link"), &target).expect("a link");
        } else {
            // The mode goes along.
            fs::copy(&source, &target).expect("a file");
        }
    }
}

/// A copy of a home, so that it need not be made again for each try.
pub(crate) fn copy_of(home: &Home) -> Home {
    let new = Home::in_memory();
    copy(&home.path(""), &new.path(""));
    new
}
