//! The Replica's side of a store that lost something: what is damaged, what waits for it, and the
//! new life that this device begins where its own chain may go on elsewhere.
//!
//! To write on from before an own event that exists would fork the chain. So where one is missing,
//! by damage or since the store was put back or copied, the store's life ends and a new one goes
//! on from what is here; what is missing is asked of peers like anything else. `SPEC: DUR-5, DUR-6`

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::rand_core::Rng;

use crate::command::LifeRow;
use crate::event::{Run, Runs, Verified};
use crate::id::{ChainId, EventId, Incarnation, Lane};
use crate::limits::{LOAD_SLICE_EVENTS, NOTICES_MAX, WANTS_MAX};
use crate::notice::{Notice, NoticeKind};
use crate::replica::documents::Pending;
use crate::replica::{LoadFor, Replica};
use crate::store::{Damage, LoadRequest, Place, Record};
use crate::sync::{LinkId, NOT_MEMBER};
use crate::workspace::InsertFault;

/// How the reasons of a new life begin.
const NEW_LIFE: &str = "new_life";
/// A peer sent an event of the current life that is not here: the store was put back, or copied.
const EVENT_ELSEWHERE: &str = "new_life: own_event_elsewhere";
/// An event of the current life cannot be read.
const STORE_DAMAGED: &str = "new_life: store_damaged";
/// The store's file was damaged, and what could be read was copied to another before it was opened.
const STORE_SALVAGED: &str = "store_salvaged";
/// Another store with this device's key writes, or did.
const OTHER_LIFE: &str = "other_life";
/// The end of the store's log could not be read.
const LOG_TAIL_DROPPED: &str = "log_tail_dropped";
/// What was damaged is whole again.
const STORE_HEALED: &str = "store_healed";

/// What the store could not give, and what it gave that waits for it. Not more than the store
/// holds, whose headers are kept in memory too.
#[derive(Default)]
pub(super) struct Mending {
    /// Places whose event is damaged, and how.
    lost: BTreeMap<(ChainId, u64), String>,
    /// Where those stand that are whole, by what each misses.
    stranded: BTreeMap<EventId, Vec<Place>>,
    /// What they missed is here: to be loaded again.
    freed: Vec<Place>,
    /// Events of the store that wait for the rest of their run.
    open: Runs,
    /// The store gave all of the history once, and some of it is loaded once more.
    pub(super) is_read: bool,
    /// What peers sent and waited for what the store gave.
    pub(super) released: Vec<(LinkId, Run)>,
    /// What went in and cannot be read any more, and how; none where it came again by now.
    faded: BTreeMap<EventId, Option<String>>,
    /// A damaged row does not say which chain it is of: it may be the own one.
    may_be_own: bool,
}

impl Mending {
    /// Is all here that was kept?
    pub(super) fn is_whole(&self) -> bool {
        self.lost.is_empty() && self.stranded.is_empty() && self.faded.is_empty()
    }

    /// Is something gone that was here at start?
    pub(super) fn has_faded(&self) -> bool {
        self.faded.values().any(Option::is_some)
    }

    /// Something of this life is missing: of what is damaged or what waits.
    fn is_missing_of(&self, is_own: impl Fn(&ChainId) -> bool) -> bool {
        self.lost.keys().any(|(chain, _)| is_own(chain))
            || self.stranded.values().flatten().any(|place| is_own(&place.chain))
    }

    /// What is missed and not kept at all.
    fn missed(&self) -> Vec<EventId> {
        let kept: BTreeSet<_> = self.stranded.values().flatten().map(|place| place.id).collect();
        self.stranded.keys().filter(|id| !kept.contains(id)).copied().collect()
    }

    /// What is wrong, in words; the first of it, where it is much.
    pub(super) fn words(&self) -> Vec<String> {
        // What waits, waits for what is lost, where that has a place.
        let missed = if self.lost.is_empty() { self.missed() } else { Vec::new() };
        let faded = self.faded.values().flatten();
        let lost =
            self.lost.values().chain(faded).map(|what| format!("{what}; it is asked of peers"));
        let gone = |id: &EventId| format!("event {id} is missing; it is asked of peers");
        lost.chain(missed.iter().map(gone)).take(NOTICES_MAX).collect()
    }
}

impl Replica {
    /// The store could not give this.
    pub(super) fn lose(&mut self, damage: Damage) {
        match damage.at {
            Some(at) => drop(self.mending.lost.insert(at, damage.what)),
            None => {
                self.mending.may_be_own = true;
                self.damaged(damage.what);
            }
        }
    }

    /// The store cannot give any more what it gave at start. Its header is known here, so that no
    /// chain can fork by it: only the row is asked for.
    pub(super) fn fade(&mut self, damage: Damage) {
        match damage.event.filter(|id| self.workspace.contains(id)) {
            Some(id) => drop(self.mending.faded.insert(id, Some(damage.what))),
            None => self.damaged(damage.what),
        }
    }

    /// The history ends: what came without the signature that proves it is lost with that.
    pub(super) fn lose_unproven(&mut self) {
        for event in self.mending.open.take() {
            let (at, id) = (Some((event.chain(), event.header().seq)), event.id());
            let what = format!("event {id}: the signature that proves it is missing");
            self.lose(Damage { at, event: Some(id), what });
        }
    }

    /// May chunks be dropped that nothing names? Not where the history may lack what names them.
    pub(super) fn may_drop_chunks(&self) -> bool {
        let lives = self.notices.of(NoticeKind::Life);
        let lost_some = |reason: &str| {
            reason.starts_with(STORE_SALVAGED) || reason.starts_with(LOG_TAIL_DROPPED)
        };
        self.mending.is_whole()
            && !self.is_lost()
            && !lives.iter().any(|notice| lost_some(&notice.reason))
    }

    /// An event comes that is here: where its row cannot be read, it takes that row's place.
    /// Without its signature only where it stood without one: what proves it stands behind it.
    /// What is purged comes without its body.
    pub(super) fn came_again(&mut self, event: Verified) {
        let event = self.workspace.without_purged(event);
        let is_inside = |(_, position)| self.workspace.is_inside(position);
        let is_proven =
            event.is_signed() || self.workspace.position(&event.id()).is_some_and(is_inside);
        let is_here = event.body().is_some() || self.workspace.is_purged(&event.id());
        let is_whole = is_proven && (is_here || event.header().body.is_none());
        if let Some(what) = self.mending.faded.get_mut(&event.id()).filter(|_| is_whole) {
            *what = None;
            self.workspace.body_found(&event.id());
            self.persist.push(Record::Event(event));
        }
    }

    /// The store gave this: it goes in with its run, which waits for what it misses. A run whose
    /// end is damaged is asked of peers with it. What waited for an event that no signature proves
    /// yet is loaded `once_more`, at the first reading alone: the two may wait for each other.
    pub(super) fn put_back(&mut self, event: Verified, once_more: bool) {
        self.clock.saw(self.now, event.header().stamp);
        let id = event.id();
        let Some(run) = self.mending.open.push(event) else {
            // What peers brought back stands in the store behind what it goes before, and what
            // proves it may be among that. SPEC: DUR-6
            if once_more {
                self.came(&id);
            }
            return;
        };
        let place = |event: &Verified| Place {
            chain: event.chain(),
            seq: event.header().seq,
            id: event.id(),
        };
        match self.workspace.insert_run(&run, &self.key) {
            Ok(_) => {
                for event in run.events() {
                    self.came(&event.id());
                    // What a peer sent meanwhile may have waited for it.
                    self.mending.released.extend(self.held.release(&event.id()));
                }
            }
            Err(InsertFault::Missing(missing)) => {
                let places = self.mending.stranded.entry(missing).or_default();
                places.extend(run.events().iter().map(place));
            }
            Err(InsertFault::Refused(refusal)) => {
                for event in run.events() {
                    let what = format!("event {}: {refusal}", event.id());
                    let at = Some((event.chain(), event.header().seq));
                    self.lose(Damage { at, event: Some(event.id()), what });
                }
            }
        }
    }

    /// An event is here: what waited for it in the store is loaded again.
    pub(super) fn came(&mut self, id: &EventId) {
        if let Some(places) = self.mending.stranded.remove(id) {
            self.mending.freed.extend(places);
        }
    }

    /// Asks the store for what can go in by now, a slice at a time.
    pub(super) fn load_freed(&mut self) {
        if self.mending.freed.is_empty() || self.loads.contains(&LoadFor::Freed) {
            return;
        }
        let some = self.mending.freed.len().min(LOAD_SLICE_EVENTS);
        let places = self.mending.freed.drain(..some).collect();
        self.load_next(LoadFor::Freed, LoadRequest::Events(places));
    }

    /// What each peer is asked for since the store has what waits for it.
    pub(super) fn missed_by_store(&self) -> Vec<(LinkId, EventId)> {
        let faded = self.mending.faded.iter().filter(|(_, what)| what.is_some());
        let missed = self.mending.missed().into_iter().chain(faded.map(|(id, _)| *id));
        let missed: Vec<_> = missed.take(WANTS_MAX / 2).collect();
        let links = self.sync.links().into_iter();
        links.flat_map(|link| missed.iter().map(move |id| (link, *id))).collect()
    }

    /// A verified event comes from outside, which may be one of ours that is not here. Whether it
    /// can go in does not matter: it exists.
    pub(super) fn hear_of_own(&mut self, event: &Verified) {
        let (header, device) = (event.header(), self.key.device());
        if header.author != device
            || event.workspace() != self.workspace.id()
            || self.workspace.contains(&event.id())
        {
            return;
        }
        let begins = header.lane == Lane::Control && header.seq == 0;
        if header.incarnation == self.config.incarnation {
            self.begin_life(EVENT_ELSEWHERE);
        } else if begins && self.mending.is_whole() && !self.is_of_before(event) {
            self.note(NoticeKind::Life, device, OTHER_LIFE);
        }
    }

    /// Was it written before the store was salvaged, so that it may be what was lost then?
    fn is_of_before(&self, event: &Verified) -> bool {
        self.notices.of(NoticeKind::Life).into_iter().any(|notice| {
            notice.reason.starts_with(STORE_SALVAGED) && event.header().stamp <= notice.stamp
        })
    }

    /// From here on this device writes new chains, and says so.
    fn begin_life(&mut self, why: &'static str) {
        let mut life = [0; 8];
        self.rng.fill_bytes(&mut life);
        self.config.incarnation = Incarnation(life);
        self.persist.push(Record::Incarnation(self.config.incarnation));
        // The actor of a change is of the life in which it is written.
        self.outdate_edits();
        self.note(NoticeKind::Life, self.key.device(), why);
    }

    /// Edits under way are made again.
    pub(super) fn outdate_edits(&mut self) {
        for pending in &mut self.pending {
            if let Pending::Edit { outdated, .. } = pending {
                *outdated = true;
            }
        }
    }

    /// Once a turn, before anything is written: forgets what is whole again, ends a life that lost
    /// something of its own, and begins the chain of a new one by a join.
    pub(super) fn mend(&mut self) {
        let device = self.key.device();
        if !self.mending.is_whole() {
            let workspace = &self.workspace;
            self.mending.lost.retain(|(chain, seq), _| workspace.height(chain) <= *seq);
            self.mending.faded.retain(|_, what| what.is_some());
            if self.mending.is_whole() {
                self.note(NoticeKind::Life, device, STORE_HEALED);
            }
        }
        let life = self.config.incarnation;
        let is_own = |chain: &ChainId| chain.author == device && chain.incarnation == life;
        if std::mem::take(&mut self.mending.may_be_own) || self.mending.is_missing_of(is_own) {
            self.begin_life(STORE_DAMAGED);
        }
        let control = self.workspace.control();
        if control.role(&device, &control.all()).is_some()
            && self.workspace.is_unwritten(&device, &self.config.incarnation)
            && self.is_later_life()
            && self.workspace.newer_format().is_none()
        {
            match self.with_pen(|workspace, pen| workspace.write_join(pen)) {
                Ok(join) => self.wrote(vec![join]),
                Err(fault) => self.damaged(format!("no join was written: {fault}")),
            }
        }
    }

    /// Did another life of this store write, or did one end? All that it wrote may be lost.
    fn is_later_life(&self) -> bool {
        let ended = |notice: &Notice| notice.reason.starts_with(NEW_LIFE);
        self.workspace.has_other_life(&self.key.device(), &self.config.incarnation)
            || self.notices.of(NoticeKind::Life).into_iter().any(ended)
    }

    /// Is the history being read still? Until then nobody can be told apart.
    #[must_use]
    pub fn is_starting(&self) -> bool {
        self.mending.is_read || self.loads.iter().any(|load| matches!(load, LoadFor::History))
    }

    /// Is nothing of the history here? So it is with a newcomer, and where all of a store was lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        let genesis = self.workspace.id().genesis();
        !self.workspace.contains(&genesis) && !self.loads.iter().any(LoadFor::is_start)
    }

    /// Whoever was let in when this device did not know its members is heard no longer than that.
    pub(super) fn part_with_strangers(&mut self) {
        let control = self.workspace.control();
        let all = control.all();
        if control.role(&self.key.device(), &all).is_none() {
            return;
        }
        let is_stranger = |link: &LinkId| {
            let device = self.sync.device_of(*link);
            device.is_some_and(|device| {
                control.role(&device, &all).is_none() && self.workspace.farewell(&device).is_none()
            })
        };
        let strangers: Vec<_> = self.sync.links().into_iter().filter(is_stranger).collect();
        for link in strangers {
            self.disconnect(link, NOT_MEMBER);
        }
    }

    /// What became of the lives of this store, as surfaces show it.
    pub(super) fn lives(&self) -> Vec<LifeRow> {
        let notices = self.notices.of(NoticeKind::Life).into_iter();
        let row = |n: &Notice| LifeRow { reason: n.reason.clone(), at: n.stamp };
        notices.map(row).collect()
    }
}
