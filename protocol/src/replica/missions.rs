//! The Replica's side of missions: it writes what the driver wants, and routes what is done.

use std::collections::BTreeSet;

use serde_json::json;

use crate::command::{Failure, FailureKind, Reply, RequestId};
use crate::document::Edit;
use crate::id::{DeviceId, EventId};
use crate::limits::{
    CHANGE_BYTES_TOTAL_MAX, CHANGE_FILES_MAX, CHANGE_RULES_VERSION, COMMAND_BYTES_MAX,
    MISSION_ACTIONS_MAX, MISSION_STEPS_MAX, MISSIONS_OPEN_MAX, NAME_BYTES_MAX,
};
use crate::mission::driver::{Action, Peer, World};
use crate::mission::evidence::PlanFacts;
use crate::mission::record::{Act, Mission, Record};
use crate::mission::show::{self, MissionView};
use crate::mission::state::{Seen, Who};
use crate::mission::work::{Outcome, Ticket};
use crate::replica::documents::{Purpose, author_failure};
use crate::replica::work::{New, Work};
use crate::replica::{Output, Replica};
use crate::role::Role;
use crate::sync::{LinkId, Message};

/// Why nobody goes on with a mission that waits for agents, as far as it is seen from here.
const NO_RUNNER: &str = "no device that runs agents can be reached from here: kern up --run";

impl Replica {
    /// A new mission: its base is here already, as an artifact. `SPEC: MIS-2`
    pub(super) fn start_mission(&mut self, mission: Mission) -> Result<Reply, Failure> {
        if let Some(fault) = mission.fault() {
            return Err(Failure::new(FailureKind::Usage, fault)
                .with_hint("put long texts into files of the repository"));
        }
        if !self.artifacts.is_complete(&mission.base_artifact) {
            return Err(not_here());
        }
        let control = self.workspace.control();
        let role = control.role(&self.key.device(), &control.all());
        if role < Some(Role::Member) {
            return Err(author_failure(&crate::workspace::AuthorFault::Role(role)));
        }
        let device = self.key.device();
        if !self.workspace.missions().has_room(self.workspace.content(), &device) {
            let text = format!("{MISSIONS_OPEN_MAX} missions of this device did not end");
            return Err(Failure::new(FailureKind::Failed, text)
                .with_hint("end some: kern mission list, kern mission cancel ID"));
        }
        let record = Record::Mission(Box::new(mission));
        let written = self.write_record(&record).map_err(|fault| author_failure(&fault));
        written.map(|mission| Reply::Started { mission })
    }

    /// Ends a mission by a decision on its head. `SPEC: MIS-10`
    pub(super) fn cancel(&mut self, mission: &EventId) -> Result<Reply, Failure> {
        let control = self.workspace.control();
        let device = self.key.device();
        let role = control.role(&device, &control.all());
        let (journal, content) = (self.workspace.missions(), self.workspace.content());
        let head = journal.head(content, mission).ok_or_else(no_mission)?;
        if head.state.progress.is_over() {
            return Err(Failure::new(FailureKind::Failed, "the mission is over already")
                .with_hint("`kern mission show ID` shows how it ended"));
        }
        let who = Who { device, role, epoch: journal.epoch(content, mission) };
        let record = head.state.derive(&who, &Seen::Decide(Act::Cancel)).map_err(|reason| {
            Failure::new(FailureKind::Denied, reason.text)
                .with_hint("do it on the device that started it, or on an owner's or admin's")
        })?;
        let event = self.write_record(&record).map_err(|fault| author_failure(&fault))?;
        if self.workspace.missions().entry(&event).is_none() {
            let text = format!("its record {} has no effect", event.short());
            return Err(
                Failure::new(FailureKind::Failed, text).with_hint("`kern log --event` says why")
            );
        }
        Ok(Reply::Cancelled { event })
    }

    /// Sets the commands of an agent. `SPEC: PRJ-7`
    pub(super) fn set_agent(
        &mut self,
        request: RequestId,
        name: &str,
        commands: Vec<String>,
    ) -> Result<(), Failure> {
        let usage = |text: &str| {
            let hint = "such as: kern agent add fixer --command './fix.sh'";
            Failure::new(FailureKind::Usage, text).with_hint(hint)
        };
        // What no mission could name is not an agent.
        let named = (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.contains('/');
        let counted = (1..=MISSION_STEPS_MAX).contains(&commands.len());
        let is_command =
            |command: &String| command.len() <= COMMAND_BYTES_MAX && !command.trim().is_empty();
        if !named {
            return Err(usage("an agent has a name of up to 64 bytes, without `/`"));
        }
        if !counted || !commands.iter().all(is_command) {
            return Err(usage("an agent has 1 to 16 commands of up to 4,096 bytes, none empty"));
        }
        self.workspace.held_document().ok_or_else(not_here)?;
        let set = format!("agents/{}", name.replace('~', "~0"));
        let set = set.parse().map_err(|_| usage("this is no name of an agent"))?;
        let edits = vec![Edit::Set { set, value: json!({ "commands": commands }) }];
        self.edit(Purpose::Request(request), edits);
        Ok(())
    }

    pub(super) fn missions(&self) -> Reply {
        let control = self.workspace.control();
        let role = control.role(&self.key.device(), &control.all());
        if role.is_some_and(|role| !role.reads()) {
            return Reply::Failed(self.unreadable());
        }
        let view = |id: &EventId| self.mission_view(id);
        Reply::Missions {
            missions: self.workspace.missions().missions().filter_map(view).collect(),
        }
    }

    pub(super) fn mission(&self, id: &EventId) -> Reply {
        let view = self.mission_view(id);
        view.map_or_else(|| Reply::Failed(no_mission()), |view| Reply::Mission(Box::new(view)))
    }

    fn mission_view(&self, id: &EventId) -> Option<MissionView> {
        let (journal, content) = (self.workspace.missions(), self.workspace.content());
        let trouble = self.driver.trouble(id).or_else(|| {
            let waits = journal.head(content, id)?.state.waits_for_a_runner() && !self.has_runner();
            waits.then_some(NO_RUNNER)
        });
        let view = show::show(journal, content, id, trouble)?;
        let mut purged = show::artifacts(journal, content, id);
        purged.retain(|artifact| self.workspace.is_purged(artifact));
        let leases = journal.holders(content, id).into_iter().map(|end| end.state.lease.as_ref());
        let holders: BTreeSet<_> = leases.flatten().map(|lease| lease.holder).collect();
        let also = holders.into_iter().filter(|holder| Some(*holder) != view.held_by);
        let (purged, also_held_by) = (purged.into_iter().collect(), also.collect());
        Some(MissionView { purged, also_held_by, ..view })
    }

    /// Does this device run agents, or one that can be reached?
    fn has_runner(&self) -> bool {
        let control = self.workspace.control();
        let all = control.all();
        let may = |device: &DeviceId| control.role(device, &all) >= Some(Role::Runner);
        let own = self.config.runs && may(&self.key.device());
        let mut here = self.here();
        own || here.any(|peer| may(&peer) && self.receipts.runs(&self.workspace, &peer))
    }

    /// The devices that can be reached now.
    fn here(&self) -> impl Iterator<Item = DeviceId> {
        let links = self.sync.links().into_iter();
        links
            .filter(|link| self.sync.is_greeted(*link) && !self.sync.is_parting(*link))
            .filter_map(|link| self.sync.device_of(link))
    }

    /// The node did what it was ordered.
    pub(super) fn on_worked(&mut self, ticket: Ticket, outcome: Outcome) {
        self.driver.done(ticket, outcome);
    }

    /// A holder says that it lives: of itself alone.
    pub(super) fn on_beat(&mut self, link: LinkId, claim: EventId) {
        if let Some(device) = self.sync.device_of(link) {
            self.driver.beat(self.now, device, claim);
        }
    }

    /// What this turn's inputs mean for what others have and for what is here: known before
    /// anything is done that depends on it, or it would wait for a turn that need not come.
    fn take_stock(&mut self) {
        self.sync.take_stock(self.now, &self.workspace);
        self.receipts.count_all(&self.workspace);
        self.learn_artifacts();
    }

    /// Does what there is to do for missions, at most so much in one turn.
    pub(super) fn drive(&mut self) {
        self.take_stock();
        for _ in 0..MISSION_ACTIONS_MAX {
            let Some(action) = self.next_action() else { return };
            match action {
                Action::Write(mission, seen) => self.write_seen(mission, &seen),
                Action::Contract(mission) => self.write_contract(mission),
                Action::Replay(mission, logs) => {
                    let head = self.workspace.missions();
                    let last = head.head(self.workspace.content(), &mission);
                    let last = last.map(|entry| entry.state.last);
                    let difference = last.and_then(|last| self.workspace.replay(&last, &logs));
                    self.write_seen(mission, &Seen::Replay(difference));
                }
                Action::Check(mission, logs) => {
                    let journal = self.workspace.missions();
                    let head = journal.head(self.workspace.content(), &mission);
                    let Some(last) = head.map(|entry| entry.state.last) else { continue };
                    match self.workspace.replay(&last, &logs) {
                        None => self.driver.checked(mission, last),
                        Some(id) => {
                            let why = format!("its record {} is not what it must be", id.short());
                            self.driver.give_up(self.now, mission, why);
                        }
                    }
                }
                Action::Order(order) => self.outputs.push_back(Output::Work(Box::new(order))),
                Action::Cancel(ticket) => self.outputs.push_back(Output::Cancel(ticket)),
                Action::Beat(claim) => {
                    for link in self.sync.links() {
                        if self.sync.is_greeted(link) && !self.sync.is_parting(link) {
                            self.send(link, &Message::Beat(claim));
                        }
                    }
                }
            }
        }
        // The rest is done in a turn of its own.
        self.driver.wake_at(self.now.monotonic_ms);
    }

    fn next_action(&mut self) -> Option<Action> {
        self.workspace.settle();
        let control = self.workspace.control();
        let all = control.all();
        let role = |device: &DeviceId| control.role(device, &all);
        let device = self.key.device();
        let role_here = role(&device).filter(|_| self.workspace.newer_format().is_none());
        let Some(own_role) = role_here else { return self.driver.stop() };
        let own = Peer { device, role: own_role, runs: self.config.runs };
        let peer = |device: DeviceId| {
            let runs = self.receipts.runs(&self.workspace, &device);
            Some(Peer { device, role: role(&device)?, runs })
        };
        let peers: Vec<_> = self.here().filter_map(peer).collect();
        let covered = |record: &EventId, artifact: &EventId| {
            peers.iter().any(|peer| {
                self.receipts.covers(&self.workspace, &peer.device, record)
                    && self.receipts.holds_artifact(&self.workspace, &peer.device, artifact)
            })
        };
        let world = World {
            own,
            peers: &peers,
            is_current: self.is_current(),
            // Without the document no contract is written: it comes, as after a disk lost it.
            may_edit: !self.is_editing() && self.workspace.held_document().is_some(),
            content: self.workspace.content(),
            journal: self.workspace.missions(),
            covered: &covered,
            is_complete: &|artifact| self.artifacts.is_complete(artifact),
        };
        self.driver.poll(self.now, &world)
    }

    /// Writes the record that follows on a mission's head from what was seen.
    fn write_seen(&mut self, mission: EventId, seen: &Seen) {
        let control = self.workspace.control();
        let device = self.key.device();
        let role = control.role(&device, &control.all());
        let journal = self.workspace.missions();
        let content = self.workspace.content();
        let epoch = journal.epoch(content, &mission);
        let who = Who { device, role, epoch };
        let Some(head) = journal.head(content, &mission) else { return };
        let written = match head.state.derive(&who, seen) {
            Ok(record) => self.write_record(&record).map_err(|fault| fault.to_string()),
            Err(reason) => Err(reason.text),
        };
        match written {
            Ok(id) if self.workspace.missions().entry(&id).is_none() => {
                let why = format!("its record {} has no effect", id.short());
                self.driver.give_up(self.now, mission, why);
            }
            Ok(claim) if *seen == Seen::Claim => self.driver.claimed(self.now, mission, claim),
            Ok(_) => {}
            Err(why) => self.driver.give_up(self.now, mission, why),
        }
    }

    fn write_record(&mut self, record: &Record) -> Result<EventId, crate::workspace::AuthorFault> {
        let events = self.with_pen(|workspace, pen| workspace.write_record(pen, record))?;
        let id = events.last().map(crate::event::Verified::id);
        self.wrote(events);
        id.ok_or_else(|| crate::workspace::AuthorFault::Own("no event was made".to_owned()))
    }

    /// The document of a mission, which is its contract and nothing else. `SPEC: MIS-8, MIS-13`
    fn write_contract(&mut self, mission: EventId) {
        let state = self.workspace.missions().entry(&mission).map(|entry| entry.state.clone());
        let Some(state) = state else { return self.driver.contracted(&mission) };
        let contract = state.contract();
        let parts = json!({
            "architecture": {
                "repository": contract.repository, "home": state.home(),
                "branch": contract.branch, "base": contract.base,
            },
            "plan": { "goal": contract.goal, "agent": contract.agent, "steps": contract.steps },
            "progress": { "journal": mission, "steps": contract.steps.len() },
            "verification": {
                "command": contract.verify, "tests": contract.tests, "floor": contract.floor,
            },
            "risk": {
                "moves": format!("refs/heads/{}", contract.branch), "network": "off",
                "rulebook": CHANGE_RULES_VERSION, "files_max": CHANGE_FILES_MAX,
                "bytes_max": CHANGE_BYTES_TOTAL_MAX,
            },
        });
        let contract = parts.as_object().cloned().unwrap_or_default();
        self.work(Purpose::Contract(mission), Work::Make(New::Mission { id: mission, contract }));
    }

    /// The contract became an event, or did not.
    pub(super) fn on_contract(&mut self, mission: EventId, written: Result<EventId, String>) {
        self.driver.contracted(&mission);
        match written {
            Ok(contract) => {
                let facts = PlanFacts { contract, rulebook: CHANGE_RULES_VERSION };
                self.write_seen(mission, &Seen::Plan(facts));
            }
            Err(why) => self.driver.give_up(self.now, mission, why),
        }
    }
}

fn no_mission() -> Failure {
    Failure::new(FailureKind::Failed, "there is no such mission")
        .with_hint("`kern mission list` shows all")
}

fn not_here() -> Failure {
    Failure::new(FailureKind::Failed, "what the mission builds on is not here yet")
        .with_hint("wait until the history has arrived")
}
