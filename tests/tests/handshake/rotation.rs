//! A CA is rotated while services run: at every moment those that have reloaded their folders and those that have not yet
//! accept each other, on both sides, with and without CRLs.
//!
//! What one service holds is what it last read from its folder. Before the next CA is activated everybody has reloaded what
//! the preparation wrote, and before the previous one is retired everybody has reloaded the new certificates; in between
//! anybody may hold anything. Every such pair must get along.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use mtls::{ClientTls, Connector, Material, ServerTls};
use tempfile::TempDir;
use tests::handshake::{TestServer, channel, check_health};

/// What the two services hold after each stage, oldest first.
struct Story {
    stages: Vec<(&'static str, [Material; 2])>,
    // The folders live as long as what was read from them.
    _folder: TempDir,
}

const NAMES: [&str; 2] = ["order", "payment"];

impl Story {
    /// The whole rotation. `root` also replaces the root, `crls` has CRLs from the beginning.
    fn tell(init: &[&str], prepare: &[&str], crls: bool) -> Result<Self> {
        let folder = TempDir::new()?;
        let pki = |arguments: &[&str]| {
            let program = ["pki", "--dir"].map(OsString::from);
            let rest = arguments.iter().map(OsString::from);
            // Whether it went well is seen by what it wrote.
            pki_cli::main(
                program
                    .into_iter()
                    .chain([folder.path().into()])
                    .chain(rest),
            );
        };
        pki(&[&["init"], init].concat());
        for name in NAMES {
            let host = format!("{name}.microservices.dev");
            let names = ["--dns", &host, "--dns", "localhost"];
            pki(&[&["issue", name, "--profile", "peer"][..], &names].concat());
        }
        if crls {
            pki(&["issue", "third", "--dns", "third.microservices.dev"]);
            pki(&["revoke", "third"]);
            ensure!(folder.path().join("order/crl.pem").exists(), "no CRLs");
        }
        let mut stages = vec![("settled", read(folder.path())?)];
        pki(&[&["ca", "rotate", "prepare", "--now"], prepare].concat());
        stages.push(("prepared", read(folder.path())?));
        pki(&["ca", "rotate", "activate", "--now"]);
        stages.push(("active", read(folder.path())?));
        // One service is issued to anew, then the other.
        pki(&["renew", "order"]);
        stages.push(("one renewed", read(folder.path())?));
        pki(&["rekey", "payment"]);
        stages.push(("both renewed", read(folder.path())?));
        // Nobody holds a certificate of the previous CA any more, and none of them has expired yet.
        pki(&["ca", "rotate", "retire", "--force"]);
        stages.push(("retired", read(folder.path())?));
        let serials = |at: usize| -> Vec<_> {
            let held: &[Material; 2] = &stages[at].1;
            held.iter()
                .map(|material| material.identity().serial().to_owned())
                .collect()
        };
        let (first, last) = (serials(0), serials(stages.len() - 1));
        ensure!(
            first.iter().zip(&last).all(|(first, last)| first != last),
            "nothing was renewed"
        );
        Ok(Self {
            stages,
            _folder: folder,
        })
    }

    /// Whether the one service, holding what it read in one stage, reaches the other, and both accept each other.
    async fn reaches(
        &self,
        server: &RunningServer,
        caller: (usize, usize),
        called: (usize, usize),
    ) -> Result<bool> {
        server.tls.replace(&self.stages[called.1].1[called.0])?;
        let client = Connector::new(ClientTls::new(&self.stages[caller.1].1[caller.0])?);
        let called_by = check_health(channel(server.server.address, "localhost", client)?).await;
        Ok(called_by.is_ok())
    }

    /// Every pair of stages in which two services may be at one moment, in both directions, for each of the two services as
    /// the server.
    fn pairs(&self) -> Vec<((usize, usize), (usize, usize))> {
        let at = |name: &str| self.stages.iter().position(|(stage, _)| *stage == name);
        let (prepared, renewed) = (at("prepared"), at("both renewed"));
        let is_between = |stage: usize| Some(stage) >= prepared && Some(stage) <= renewed;
        let stages = 0..self.stages.len();
        let mut pairs = Vec::new();
        for one in stages.clone() {
            for other in stages.clone() {
                if one.abs_diff(other) <= 1 || is_between(one) && is_between(other) {
                    pairs.extend([((0, one), (1, other)), ((1, one), (0, other))]);
                }
            }
        }
        pairs
    }
}

/// A server that stays, whatever it is told to hold.
struct RunningServer {
    tls: ServerTls,
    server: TestServer,
}

fn read(dir: &Path) -> Result<[Material; 2]> {
    let [order, payment] = NAMES.map(|name| Material::load(&dir.join(name)));
    Ok([order?, payment?])
}

async fn nobody_notices(story: &Story) -> Result<()> {
    let tls = ServerTls::new(&story.stages[0].1[0])?;
    let server = TestServer::start(tls.clone()).await?;
    let running = RunningServer { tls, server };
    for (caller, called) in story.pairs() {
        let told =
            |(who, stage): (usize, usize)| format!("{} ({})", NAMES[who], story.stages[stage].0);
        ensure!(
            story.reaches(&running, caller, called).await?,
            "{} does not reach {}",
            told(caller),
            told(called)
        );
    }
    running.server.stop().await
}

#[tokio::test]
async fn nobody_notices_another_issuing_ca() -> Result<()> {
    nobody_notices(&Story::tell(&[], &[], false)?).await
}

#[tokio::test]
async fn nobody_notices_another_issuing_ca_where_crls_are_demanded() -> Result<()> {
    nobody_notices(&Story::tell(&[], &[], true)?).await
}

#[tokio::test]
async fn nobody_notices_another_root() -> Result<()> {
    nobody_notices(&Story::tell(&[], &["--root"], false)?).await?;
    nobody_notices(&Story::tell(&[], &["--root"], true)?).await
}

#[tokio::test]
async fn nobody_notices_another_root_that_issues_itself() -> Result<()> {
    nobody_notices(&Story::tell(&["--single-tier"], &[], false)?).await?;
    nobody_notices(&Story::tell(&["--single-tier"], &[], true)?).await
}

/// The stages are not for show: whoever skips one is cut off, and this test sees it.
#[tokio::test]
async fn who_did_not_reload_before_the_activation_is_cut_off() -> Result<()> {
    for story in [
        Story::tell(&[], &["--root"], false)?,
        Story::tell(&[], &[], true)?,
    ] {
        let tls = ServerTls::new(&story.stages[0].1[0])?;
        let server = TestServer::start(tls.clone()).await?;
        let running = RunningServer { tls, server };
        let at = |name: &str| {
            let found = story.stages.iter().position(|(stage, _)| *stage == name);
            found.with_context(|| format!("there is no stage {name}"))
        };
        let (settled, active, renewed) = (at("settled")?, at("active")?, at("both renewed")?);
        ensure!(!story.reaches(&running, (0, renewed), (1, settled)).await?);
        ensure!(!story.reaches(&running, (0, settled), (1, renewed)).await?);
        ensure!(story.reaches(&running, (0, active), (1, renewed)).await?);
        running.server.stop().await?;
    }
    Ok(())
}
