//! The newest receipt of each life of each device, who was told of it, and what follows from all
//! of them.
//!
//! Here no receipt is trusted beyond its signer: it says what its device holds, and nothing of
//! what counts. One whose heads are not all here yet is passed on, and the last one before it that
//! could be read goes on counting (SPEC: RCPT-5).

mod standing;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::id::{DeviceId, EventId, Incarnation};
use crate::key::DeviceKey;
use crate::limits::{RECEIPT_INTERVAL_MS, RECEIPT_LIVES_MAX, RECEIPTS_MAX};
use crate::sync::LinkId;
use crate::sync::message::Message;
use crate::sync::receipt::{Claims, Receipt};
use crate::sync::renewal::Renewal;
use crate::time::Time;
use crate::workspace::{Cover, Workspace};

type Life = (DeviceId, Incarnation);
type Version = (u64, [u8; 64]);

/// What is known of one life.
#[derive(Debug)]
struct Known {
    newest: Receipt,
    /// Is `cover` that of the newest?
    counted: bool,
    /// Of the last receipt whose heads were all here.
    cover: Option<Cover>,
}

impl Known {
    fn of(newest: Receipt) -> Self {
        Self { newest, counted: false, cover: None }
    }

    fn life(&self) -> Life {
        (self.newest.device(), self.newest.incarnation())
    }

    /// Takes a receipt in the place of an older one; was that one older?
    fn renew(&mut self, receipt: &Receipt) -> bool {
        let newer = self.newest.version() < receipt.version();
        if newer {
            self.newest = receipt.clone();
            self.counted = false;
        }
        newer
    }

    fn count(&mut self, workspace: &Workspace) {
        if self.counted {
            return;
        }
        let claims = self.newest.claims();
        if let Some(cover) = workspace.cover(claims.control(), claims.content()) {
            self.cover = Some(cover);
            self.counted = true;
        }
    }
}

/// What a device would say of itself now.
pub struct Own<'a> {
    /// Its key.
    pub key: &'a DeviceKey,
    /// The life of its store.
    pub incarnation: Incarnation,
    /// What it holds; none while it claims nothing.
    pub claims: Option<Claims>,
    /// Is what it said before not known to hold any more?
    pub is_doubtful: bool,
}

/// What there is to say of receipts at the end of a turn.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// An own one, to be durable before it is sent.
    pub made: Option<Receipt>,
    /// What is sent to whom.
    pub send: Vec<(LinkId, Message)>,
}

/// All receipts.
#[derive(Debug, Default)]
pub struct Receipts {
    known: BTreeMap<Life, Known>,
    /// What each connection is known to know.
    told: BTreeMap<LinkId, BTreeMap<Life, Version>>,
    /// The last own receipt that was sent on each connection, and the last that its peer sent of
    /// itself: what renewals follow. `SPEC: SYNC-14`
    sent: BTreeMap<LinkId, Receipt>,
    heard: BTreeMap<LinkId, Receipt>,
    /// Heads that stand for no more than the newest own receipt and what was written here since.
    implied: Option<(Version, BTreeSet<EventId>)>,
    /// No own receipt is made before, by the monotonic clock.
    next_own: u64,
    /// An own one is due at `next_own`.
    is_own_due: bool,
    /// When those of others are passed on.
    pass_on_at: Option<u64>,
}

impl Receipts {
    /// Takes a receipt from the store.
    pub fn load(&mut self, receipt: Receipt) {
        self.known.insert((receipt.device(), receipt.incarnation()), Known::of(receipt));
    }

    /// Keeps a receipt that a peer sent if it is newer than the one of its life; was it?
    /// `SPEC: RCPT-3`
    pub fn hear(&mut self, link: LinkId, receipt: &Receipt, workspace: &Workspace) -> bool {
        let life = (receipt.device(), receipt.incarnation());
        if !self.known.contains_key(&life) && !self.has_room(&life.0, workspace) {
            return false;
        }
        let known = self.known.entry(life);
        let newer = match known {
            Entry::Vacant(vacant) => {
                vacant.insert(Known::of(receipt.clone()));
                true
            }
            Entry::Occupied(mut known) => known.get_mut().renew(receipt),
        };
        if let Some(told) = self.told.get_mut(&link) {
            let told = told.entry(life).or_insert_with(|| receipt.version());
            *told = (*told).max(receipt.version());
        }
        newer
    }

    /// A peer sent a receipt of itself: its renewals on this connection follow that.
    pub fn hear_from(&mut self, link: LinkId, receipt: &Receipt) {
        self.heard.insert(link, receipt.clone());
    }

    /// The receipt that a peer's renewal says; none where that follows nothing, or is not signed.
    /// `SPEC: SYNC-14`
    #[must_use]
    pub fn renewed(&self, link: LinkId, renewal: &Renewal) -> Option<Receipt> {
        self.heard.get(&link)?.renewed(renewal)
    }

    /// Is there room for one more life of a device? One that was outlived makes it.
    fn has_room(&mut self, device: &DeviceId, workspace: &Workspace) -> bool {
        let lives: Vec<_> = self.lives(device).map(|(life, _)| *life).collect();
        if lives.len() < RECEIPT_LIVES_MAX {
            return true;
        }
        let outlived = lives.iter().find(|life| !workspace.outlived_by(life).is_empty());
        outlived.is_some_and(|life| self.known.remove(life).is_some())
    }

    /// Reads the receipts whose heads are here by now.
    pub fn count_all(&mut self, workspace: &Workspace) {
        self.known.values_mut().for_each(|known| known.count(workspace));
    }

    /// What there is to say: an own receipt where it would say something new, to everybody at
    /// once; those of others a moment later, so that many are one message; all that is known to
    /// who was told nothing yet. `SPEC: RCPT-4`
    pub fn speak(
        &mut self,
        now: Time,
        own: Own<'_>,
        links: &[LinkId],
        workspace: &Workspace,
    ) -> Said {
        let own_life = (own.key.device(), own.incarnation);
        let is_doubtful = own.is_doubtful;
        self.told.retain(|link, _| links.contains(link));
        self.sent.retain(|link, _| links.contains(link));
        self.heard.retain(|link, _| links.contains(link));
        self.is_own_due = false;
        let made = if links.is_empty() { None } else { self.renew(now, own, workspace) };
        self.count_all(workspace);

        let control = workspace.control();
        let members = control.members(&control.all());
        let passing_on = self.pass_on_at.is_some_and(|at| at <= now.monotonic_ms);
        let mut waits = false;
        let mut send = Vec::new();
        for &link in links {
            let greeting = !self.told.contains_key(&link);
            let told = self.told.entry(link).or_default();
            let mut receipts = Vec::new();
            for (life, known) in &self.known {
                let version = known.newest.version();
                // What an earlier life of this store claimed may be lost.
                let is_past = life.0 == own_life.0 && *life != own_life;
                if is_past
                    || (is_doubtful && *life == own_life)
                    || !members.contains_key(&life.0)
                    || told.get(life).is_some_and(|told| *told >= version)
                {
                    continue;
                }
                if greeting || passing_on || *life == own_life {
                    told.insert(*life, version);
                    receipts.push(known.newest.clone());
                } else {
                    waits = true;
                }
            }
            send.extend(self.messages(link, own_life, receipts));
        }
        let soon = now.monotonic_ms.saturating_add(RECEIPT_INTERVAL_MS);
        self.pass_on_at = waits.then(|| self.pass_on_at.unwrap_or(soon));
        Said { made, send }
    }

    /// How a peer is told these: an own one by what is new in it, where it knows the one before.
    fn messages(
        &mut self,
        link: LinkId,
        own_life: Life,
        mut receipts: Vec<Receipt>,
    ) -> Vec<(LinkId, Message)> {
        let is_own = |receipt: &Receipt| (receipt.device(), receipt.incarnation()) == own_life;
        let mut messages = Vec::new();
        if let Some(at) = receipts.iter().position(is_own)
            && let Some(receipt) = receipts.get(at).cloned()
        {
            let before = self.sent.insert(link, receipt.clone());
            // A receipt says of which life it is, a renewal does not.
            if let Some(before) = before.filter(|before| is_own(before)) {
                receipts.remove(at);
                messages.push((link, Message::Renewal(receipt.renewal(&before))));
            }
        }
        let full = receipts.chunks(RECEIPTS_MAX);
        messages.extend(full.map(|some| (link, Message::Receipts(some.to_vec()))));
        messages
    }

    /// The next own receipt, if it would say something new and the last one is some time ago. What
    /// others hold as the newest of this life counts as the last one, also where the own store was
    /// put back and does not know it any more.
    fn renew(&mut self, now: Time, own: Own<'_>, workspace: &Workspace) -> Option<Receipt> {
        let life = (own.key.device(), own.incarnation);
        let claims = own.claims?;
        if self.is_implied(life, &claims, workspace) {
            return None;
        }
        let last = self.known.get(&life).map(|known| &known.newest);
        if now.monotonic_ms < self.next_own {
            self.is_own_due = true;
            return None;
        }
        self.next_own = now.monotonic_ms.saturating_add(RECEIPT_INTERVAL_MS);
        let counter = last.map_or(0, |last| last.counter().saturating_add(1));
        let receipt = Receipt::sign(own.key, workspace.id(), own.incarnation, counter, claims);
        self.known.insert(life, Known::of(receipt.clone()));
        Some(receipt)
    }

    /// Does the newest own receipt say all this, with what this life wrote since?
    fn is_implied(&mut self, life: Life, claims: &Claims, workspace: &Workspace) -> bool {
        let Some(known) = self.known.get_mut(&life) else { return false };
        known.count(workspace);
        let last = &known.newest;
        if last.claims() == claims {
            return true;
        }
        let Some(cover) = known.cover.as_ref().filter(|_| known.counted) else { return false };
        if last.claims().differs_beside_heads(claims) {
            return false;
        }
        let heads = claims.control().iter().chain(claims.content()).copied().collect();
        let implied = self.implied.take().filter(|(version, _)| *version == last.version());
        let (version, from) = implied.unwrap_or_else(|| (last.version(), BTreeSet::new()));
        let is_implied = workspace.is_own_beside(life, cover, &from, &heads);
        self.implied = Some((version, if is_implied { heads } else { from }));
        is_implied
    }

    /// When [`Self::speak`] has something to say again, if nothing else happens.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let own = self.is_own_due.then_some(self.next_own);
        [own, self.pass_on_at].into_iter().flatten().min()
    }

    fn lives(&self, device: &DeviceId) -> impl Iterator<Item = (&Life, &Known)> {
        let first = (*device, Incarnation([0; 8]));
        let last = (*device, Incarnation([0xff; 8]));
        self.known.range(first..=last)
    }

    /// How many of the admitted events here another member holds for good, by its own words.
    /// `SPEC: RCPT-5`
    #[must_use]
    pub fn count(&self, workspace: &Workspace, device: &DeviceId) -> usize {
        let standing = self.standing(workspace, device);
        let covers = standing.covers();
        covers.map_or(0, |lives| workspace.count_covered(&lives, standing.is_beside))
    }

    /// Does another member hold this event for good, by its own words? `SPEC: RCPT-5`
    #[must_use]
    pub fn covers(&self, workspace: &Workspace, device: &DeviceId, event: &EventId) -> bool {
        let standing = self.standing(workspace, device);
        let covers = standing.covers();
        covers.is_some_and(|lives| workspace.is_known(&lives, standing.is_beside, event))
    }

    /// Does another member hold every chunk of this artifact for good, by its own words?
    #[must_use]
    pub fn holds_artifact(&self, workspace: &Workspace, device: &DeviceId, id: &EventId) -> bool {
        self.standing(workspace, device).says(|claims| claims.holds_artifact(id))
    }

    /// Does another member let agents run on it, by its own words?
    #[must_use]
    pub fn runs(&self, workspace: &Workspace, device: &DeviceId) -> bool {
        let standing = self.standing(workspace, device);
        standing.lives.iter().any(|known| known.newest.claims().runs())
    }

    /// The newest receipt of each life.
    pub fn all(&self) -> impl Iterator<Item = &Receipt> {
        self.known.values().map(|known| &known.newest)
    }
}
