//! `dispatch-remote` and `resume`: missions on nodes in processes of their own. Seen from the
//! device that started them: when another takes one, and when one is taken over from a holder that
//! was killed.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kernelos_protocol::command::{Command, Failure, Reply};
use kernelos_protocol::id::{DeviceId, EventId};
use kernelos_protocol::mission::show::MissionView;
use tokio::time::sleep;

use super::Bench;
use super::device::failed;
use super::figures::{Measured, Op, Row, ms, percentile};
use super::fleet::Fleet;
use crate::api::client::Client;
use crate::cli::demo::nodes::Device;
use crate::home::Home;

const COMMIT: &str = "sqlite commit p95";

/// What a taken-over mission may take: three beats until the lease is over, and a rank.
const RESUME_MS: f64 = 5_000.0;

/// No kill begins after this long: a mission with one takes 15 s, and all are wanted.
const RESUME_BUDGET: Duration = Duration::from_secs(600);

/// For how long a mission is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than it takes to see who holds it and to kill that.
const STEP: &str = "sleep 4; date >> steps";

/// `dispatch-remote`: from the task's own stamp on a device that runs nothing, to its seeing that
/// another holds it.
pub(super) async fn dispatch(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let fleet = Fleet::start(bench, &[&[], &["--run"]]).await?;
    let [laptop, ..] = &fleet.0[..] else { return Err(failed("there is no device")) };
    let site = Site::make(bench, laptop, "date >> steps").await?;
    let home = id_of(laptop).await?;
    let count = bench.size(20, 2);
    let (mut times, mut commit) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    for _ in 0..bench.times {
        commit.push(bench.commit_p95_ms()?);
    }
    while bench.goes_on("task", times.len(), count, begin) {
        let (mission, begun) = site.start(laptop).await?;
        site.until(&mission, |view| view.held_by.filter(|device| *device != home)).await?;
        times.push(ms(since(begun)));
        site.until(&mission, ended).await?;
    }
    fleet.stop().await;
    let tasks = times.len();
    let measured = Measured::new("dispatch-remote", percentile(&mut times, 95), "ms p95")
        .with("tasks", tasks)
        .against(COMMIT, percentile(&mut commit, 50));
    Ok(vec![measured.judge(&bench.machine, Op::AtMost, |of| Some(3.0 * of(COMMIT)? + 12.0))])
}

/// `resume`: SIGKILL to the holder, until another device holds the mission.
pub(super) async fn resume(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let mut fleet = Fleet::start(bench, &[&[], &["--run"], &["--run"]]).await?;
    let site = Site::make(bench, &fleet.0[0], STEP).await?;
    let home = id_of(&fleet.0[0]).await?;
    let count = bench.size(20, 1);
    let (mut times, begin) = (Vec::new(), Instant::now());
    while bench.goes_on_for(RESUME_BUDGET, "kill", (times.len(), count), begin) {
        let (mission, _) = site.start(&fleet.0[0]).await?;
        let works = |view: &MissionView| {
            view.held_by.filter(|device| *device != home && view.state == "implementing")
        };
        let holder = site.until(&mission, works).await?;
        let mut killed = None;
        for device in &mut fleet.0 {
            if id_of(device).await? == holder {
                device.kill().await?;
                killed = Some(device);
            }
        }
        let killed = killed.ok_or_else(|| failed("nobody of the fleet holds the mission"))?;
        let start = Instant::now();
        site.until(&mission, |view| view.held_by.filter(|device| *device != holder)).await?;
        times.push(ms(start.elapsed()));
        killed.start(false).await?;
        site.until(&mission, ended).await?;
    }
    fleet.stop().await;
    let kills = times.len();
    let measured = Measured::new("resume", percentile(&mut times, 95), "ms p95")
        .with("kills", kills)
        .with("wanted", count)
        .against("the design's timers", RESUME_MS);
    Ok(vec![measured.judge(&bench.machine, Op::AtMost, |of| of("the design's timers"))])
}

/// A repository on the first device, and the door to its node.
struct Site {
    repository: PathBuf,
    client: Client,
}

impl Site {
    async fn make(bench: &Bench, device: &Device, step: &str) -> Result<Self, Failure> {
        let repository = bench.scratch.file("repository");
        fs::create_dir_all(&repository).map_err(failed)?;
        fs::write(repository.join("steps"), "").map_err(failed)?;
        for args in [
            &["init", "--quiet", "--template=", "--initial-branch=main"][..],
            &["add", "--all"],
            &["commit", "--quiet", "--message=Begin"],
        ] {
            let mut git = tokio::process::Command::new("git");
            git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
            git.args(["-c", "user.name=kern bench", "-c", "user.email=bench@localhost"]);
            let done = git.args(args).current_dir(&repository).stdin(Stdio::null()).output().await;
            let done = done.map_err(failed)?;
            if !done.status.success() {
                return Err(failed(String::from_utf8_lossy(&done.stderr).trim()));
            }
        }
        device.ask(&["agent", "add", "worker", "--command", step]).await?;
        Ok(Self { repository, client: Client::of(&Home::at(&device.home))? })
    }

    /// Starts a mission; gives when its first record was written.
    async fn start(&self, device: &Device) -> Result<(EventId, SystemTime), Failure> {
        let repository = self.repository.display().to_string();
        let start = ["mission", "start", "bench", "--repo", &repository, "--verify", "true"];
        let started = device.ask(&[&start[..], &["--agent", "worker"]].concat()).await?;
        let id: EventId = serde_json::from_value(started["id"].clone()).map_err(failed)?;
        let command = Command::Event { begin: id.to_string() };
        let Reply::Event(event) = self.client.ask(None, command).await? else {
            return Err(failed("the mission has no event"));
        };
        Ok((id, UNIX_EPOCH + Duration::from_micros(event.row.stamp.0)))
    }

    async fn until<T>(
        &self,
        mission: &EventId,
        seen: impl Fn(&MissionView) -> Option<T>,
    ) -> Result<T, Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            let reply = self.client.ask(None, Command::Mission { id: *mission }).await?;
            let Reply::Mission(view) = reply else { return Err(failed("there is no mission")) };
            if let Some(seen) = seen(&view) {
                return Ok(seen);
            }
            if Instant::now() > end {
                return Err(failed(format!("the mission stays {}: {:?}", view.state, view.why)));
            }
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// However it ended: the next one begins where nothing is under way.
fn ended(view: &MissionView) -> Option<()> {
    matches!(view.state.as_str(), "promoted" | "failed").then_some(())
}

async fn id_of(device: &Device) -> Result<DeviceId, Failure> {
    let status = device.ask(&["status"]).await?;
    serde_json::from_value(status["device_id"].clone()).map_err(failed)
}

/// Both stamps are of this machine's clock; one that was set back meanwhile gives no time.
fn since(begun: SystemTime) -> Duration {
    begun.elapsed().unwrap_or_default()
}
