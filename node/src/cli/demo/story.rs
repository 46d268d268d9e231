//! The chapters of the demo. Each does what people do and shows what the nodes answer; what it
//! waits for, it sees, and where that never comes it fails and says what never came.

use std::time::Instant;

use kernelos_protocol::command::{Failure, FailureKind};
use serde_json::{Value as Json, json};

use crate::cli::demo::folder::Folder;
use crate::cli::demo::nodes::Device;
use crate::cli::demo::report::{NodeSeen, Report, ms_since};
use crate::cli::demo::wait::{AGREE, until};

/// Where everybody writes about the door.
const DOOR: &str = "notes/door";

/// A demo.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) keep: bool,
    pub(super) folder: Folder,
    pub(super) laptop: Device,
    pub(super) phone: Device,
    pub(super) edge: Device,
    pub(super) report: Report,
}

impl Story {
    /// Makes the folder; nothing runs yet.
    pub(super) fn new(quiet: bool, keep: bool) -> Result<Self, Failure> {
        let folder = Folder::new()?;
        let device = |name| Device::new(name, &folder);
        let (laptop, phone, edge) = (device("laptop")?, device("phone")?, device("edge")?);
        Ok(Self { keep, laptop, phone, edge, report: Report::new(quiet), folder })
    }

    /// All chapters.
    pub(super) async fn tell(&mut self) -> Result<(), Failure> {
        self.start().await?;
        self.pair().await?;
        let tasks = self.write_everywhere().await?;
        self.write_apart(&tasks).await?;
        self.meet_again().await?;
        let conflicts = self.compare_conflicts().await?;
        self.decide(&conflicts).await?;
        self.mission().await?;
        self.look_back().await
    }

    /// Ends what runs, and says how it went.
    pub(super) async fn end(mut self, told: Result<(), Failure>) -> Result<(), Failure> {
        self.report.close();
        let mut ended = told.map_err(|failure| self.explained(failure));
        let lives_on = self.keep && ended.is_ok();
        if !lives_on {
            let (laptop, phone, edge) = (&mut self.laptop, &mut self.phone, &mut self.edge);
            tokio::join!(laptop.stop(), phone.stop(), edge.stop());
        }
        for device in [&self.laptop, &self.phone, &self.edge] {
            let node = self.report.seen.nodes.entry(device.name).or_default();
            node.home.clone_from(&device.home);
            node.pid = device.pid;
        }
        if !self.keep {
            let removed = self.folder.remove();
            ended = ended.and(removed);
        }
        self.report.seen.ok = ended.is_ok();
        self.report.seen.failure = ended.as_ref().err().map(ToString::to_string);
        let said = self.report.end(self.keep, self.folder.path());
        ended.and(said)
    }

    /// The failure with its chapter, what the nodes had to say, and how to see more.
    fn explained(&self, failure: Failure) -> Failure {
        let mut text = format!("{}{}", self.report.place(), failure.message);
        if let FailureKind::Interrupted | FailureKind::Terminated = failure.kind {
            return Failure::new(failure.kind, text);
        }
        for device in self.devices() {
            for line in self.folder.log_tail(device.name) {
                text += &format!("\n  {}'s node: {line}", device.name);
            }
        }
        let hint = if self.keep {
            format!("the homes and the nodes' logs are in {}", self.folder.path().display())
        } else {
            "to look at the homes and the nodes' logs: kern demo --keep".to_owned()
        };
        let hint = failure.hint.map_or(hint, |first| first);
        Failure::new(failure.kind, text).with_hint(hint)
    }

    pub(super) fn devices(&self) -> [&Device; 3] {
        [&self.laptop, &self.phone, &self.edge]
    }

    async fn start(&mut self) -> Result<(), Failure> {
        self.report.chapter("Three devices");
        let recovery = self.folder.path().join("home.recovery").display().to_string();
        let init = ["init", "home", "--device", "laptop", "--recovery-file", &recovery];
        self.laptop.ask(&init).await?;
        self.report.tell("laptop: made the workspace \"home\"");
        for device in [&mut self.laptop, &mut self.phone, &mut self.edge] {
            let pid = device.start(self.keep).await?;
            let home = device.home.display();
            self.report.tell(format!("{}: kern up, process {pid}, home {home}", device.name));
        }
        Ok(())
    }

    async fn pair(&mut self) -> Result<(), Failure> {
        self.report.chapter("The laptop lets the phone and the edge in");
        for device in [&self.phone, &self.edge] {
            let begin = Instant::now();
            let name = device.name;
            let mut invite = self.laptop.talk(&["invite"])?;
            let token = invite.hear("token").await?;
            let mut join = device.talk(&["join", "-", "--device", name])?;
            join.say(token.as_str().unwrap_or_default()).await?;
            let code = join.hear("check_code").await?;
            let code = code.as_str().unwrap_or_default();
            self.report.tell(format!("{name} has the laptop's code and shows {code}"));
            invite.say(code).await?;
            let events = join.hear("history_events").await?;
            invite.hear("granted").await?;
            invite.end().await?;
            join.end().await?;
            let took = ms_since(begin);
            self.report.tell(format!(
                "laptop: {code} typed; {name} is a member and holds {events} events ({took} ms)"
            ));
            let slowest = &mut self.report.seen.figures.pair_ms;
            *slowest = (*slowest).max(Some(took));
        }
        Ok(())
    }

    /// Gives the ids of two tasks.
    async fn write_everywhere(&mut self) -> Result<[String; 2], Failure> {
        self.report.chapter("All three write");
        let tent = added(&self.laptop, &self.report, "pack the tent").await?;
        let maps = added(&self.phone, &self.report, "buy maps").await?;
        self.set(&self.edge, DOOR, &json!("locked")).await?;
        let hash = self.agree(&self.devices()).await?;
        self.report.tell(format!("laptop, phone and edge hold the same: state hash {hash}"));
        Ok([tent, maps])
    }

    async fn write_apart(&mut self, [tent, maps]: &[String; 2]) -> Result<(), Failure> {
        self.report.chapter("The phone is offline, and everybody goes on");
        self.phone.ask(&["offline"]).await?;
        self.report.tell("phone: kern offline");
        let title = format!("tasks/{tent}/title");
        self.set(&self.laptop, &title, &json!("pack the big tent")).await?;
        self.set(&self.phone, &title, &json!("pack the small tent")).await?;
        let maps_path = format!("tasks/{maps}");
        self.laptop.ask(&["doc", "rm", &maps_path]).await?;
        self.report.tell(format!("laptop: removed {maps_path} (\"buy maps\")"));
        self.phone.ask(&["task", "done", maps]).await?;
        self.report.tell(format!("phone: kern task done {maps}"));
        added(&self.phone, &self.report, "charge the lamp").await?;
        self.set(&self.edge, DOOR, &json!("open")).await?;
        let near = self.agree(&[&self.laptop, &self.edge]).await?;
        let far = hash(&self.phone).await?.unwrap_or_default();
        self.report.tell(format!("laptop and edge hold {near}"));
        self.report.tell(format!("phone alone holds    {far}"));
        if near == far {
            return Err(otherwise("the phone holds what was written while it was offline"));
        }
        Ok(())
    }

    async fn meet_again(&mut self) -> Result<(), Failure> {
        self.report.chapter("The phone comes back");
        let begin = Instant::now();
        self.phone.ask(&["online"]).await?;
        self.report.tell("phone: kern online");
        let hash = self.agree(&self.devices()).await?;
        let took = ms_since(begin);
        self.report.seen.figures.converge_ms = Some(took);
        self.report.tell(format!("all three hold {hash} ({took} ms)"));
        Ok(())
    }

    async fn compare_conflicts(&mut self) -> Result<Vec<Json>, Failure> {
        self.report.chapter("Where they disagree, all three see the same");
        let mut lists = Vec::new();
        for device in self.devices() {
            let list = device.ask(&["conflicts"]).await?;
            let count = list.as_array().map_or(0, Vec::len);
            self.report.tell(format!("{}: kern conflicts shows {count}", device.name));
            lists.push(list);
        }
        if lists.iter().any(|list| *list != lists[0]) {
            return Err(otherwise("the three devices show different conflicts"));
        }
        self.report.quote(&self.edge.show(&["conflicts"]).await?);
        let conflicts = lists.swap_remove(0).as_array().cloned().unwrap_or_default();
        self.report.seen.conflicts.clone_from(&conflicts);
        if conflicts.len() < 2 {
            return Err(otherwise("what was written apart shows fewer than two conflicts"));
        }
        Ok(conflicts)
    }

    async fn decide(&mut self, conflicts: &[Json]) -> Result<(), Failure> {
        self.report.chapter("The edge decides one, and it is decided on all");
        let open = |row: &&Json| row["kind"] == "values";
        let row = conflicts.iter().find(open).ok_or_else(|| otherwise("no title disagrees"))?;
        let sides = row["sides"].as_array().into_iter().flatten();
        let by_phone = |side: &&Json| side["device"] == self.phone.name;
        let side = sides.into_iter().find(by_phone);
        let side = side.ok_or_else(|| otherwise("the phone is no side of it"))?;
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let (id, path, letter) = (text(&row["id"]), text(&row["path"]), text(&side["side"]));
        let done = self.edge.ask(&["conflicts", "resolve", &id, "--keep", &letter]).await?;
        self.report.tell(format!("edge: kern conflicts resolve {id} --keep {letter}"));
        self.agree(&self.devices()).await?;
        for device in self.devices() {
            let now = device.ask(&["doc", "get", &path]).await?["value"].take();
            let left = device.ask(&["conflicts"]).await?;
            let left = left.as_array().into_iter().flatten();
            if now != side["value"] || left.into_iter().any(|row| row["id"] == id.as_str()) {
                return Err(otherwise(format!("{} does not follow the decision", device.name)));
            }
            self.report.tell(format!("{}: {path} is {now}", device.name));
        }
        self.report.seen.resolved.push(json!({ "id": id, "path": path, "kind": row["kind"],
            "side": letter, "device": side["device"], "value": side["value"],
            "event": done["event"] }));
        Ok(())
    }

    async fn look_back(&mut self) -> Result<(), Failure> {
        self.report.chapter("At the end");
        let hash = self.agree(&self.devices()).await?;
        for device in [&self.laptop, &self.phone, &self.edge] {
            let status = device.ask(&["status"]).await?;
            let (events, conflicts) = (&status["events"], &status["conflicts"]);
            let name = device.name;
            self.report
                .tell(format!("{name}: {events} events, open conflicts: {conflicts}, {hash}"));
            let node = NodeSeen { state_hash: Some(hash.clone()), ..NodeSeen::default() };
            self.report.seen.nodes.insert(name, node);
            self.report.seen.state_hashes.push(hash.clone());
        }
        Ok(())
    }

    async fn set(&self, device: &Device, path: &str, value: &Json) -> Result<(), Failure> {
        device.ask(&["doc", "set", path, &value.to_string()]).await?;
        self.report.tell(format!("{}: {path} is {value}", device.name));
        Ok(())
    }

    /// Waits until all of these show one state hash.
    pub(super) async fn agree(&self, devices: &[&Device]) -> Result<String, Failure> {
        let names: Vec<_> = devices.iter().map(|device| device.name).collect();
        let what = format!("one state hash on {}", names.join(", "));
        until(&self.report, &what, AGREE, async || {
            let mut one = None;
            for device in devices {
                match (hash(device).await?, &one) {
                    (Some(hash), None) => one = Some(hash),
                    (Some(hash), Some(one)) if hash == *one => {}
                    _ => return Ok(None),
                }
            }
            Ok(one)
        })
        .await
    }
}

/// Adds a task; gives its id.
async fn added(device: &Device, report: &Report, title: &str) -> Result<String, Failure> {
    let tasks = device.ask(&["task", "add", title]).await?;
    report.tell(format!("{}: kern task add {title:?}", device.name));
    let tasks = tasks.as_array().into_iter().flatten();
    let id =
        tasks.into_iter().find(|task| task["title"] == title).and_then(|task| task["id"].as_str());
    id.map(str::to_owned).ok_or_else(|| otherwise(format!("{} has no {title:?}", device.name)))
}

/// The state hash that a device shows; none where it claims none.
async fn hash(device: &Device) -> Result<Option<String>, Failure> {
    let status = device.ask(&["status"]).await?;
    Ok(status["state_hash"].as_str().map(str::to_owned))
}

/// Something was seen that must not be.
pub(super) fn otherwise(what: impl ToString) -> Failure {
    Failure::new(FailureKind::Failed, what)
}
