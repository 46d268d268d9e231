//! `history` and `search`: looks into the past of a long history. Every value that a key and an
//! object had, against Automerge alone, which lists its changes and reads the same values; and a
//! word that no event says, looked for in all of them, against reading every row of the bare
//! database and opening it.

use std::path::Path;
use std::time::Instant;

use automerge::legacy::{Key, ObjectId};
use automerge::{Automerge, ChangeHash, ObjId, ROOT, ReadDoc};
use kernelos_protocol::command::{Command, Failure, PastCommand, PastReply, Reply, Search};
use kernelos_protocol::control::ControlBody;
use kernelos_protocol::epoch::{EpochKey, unwrap_key};
use kernelos_protocol::event::Verified;
use kernelos_protocol::id::EventId;
use kernelos_protocol::seal;

use super::catch_up::changes;
use super::device::{Device, GROUP, failed, path};
use super::edits::{Edits, name};
use super::figures::{Measured, Op, Row, median, ms};
use super::plain::envelopes;
use super::{Bench, SEED};

/// Values that are asked for.
const VALUES: usize = 20;

/// What the values of a place are measured against. Both list all changes, which Automerge builds
/// anew each time; which of them wrote there it is told, and ours has to read in each. So ours
/// never takes less, and the goal leaves it a third for that.
const CHANGES: &str = "automerge get_changes + get_all_at";

/// What a search is measured against: no index of what bodies say is kept (SPEC: PAST-4), so every
/// row has to be read and opened. Ours then reads what each wrote, and compares: that may take as
/// long again.
const ROWS: &str = "bare database, rows opened";

/// A device with so many edits.
async fn long(bench: &Bench) -> Result<(Device, usize), Failure> {
    let size = bench.size(100_000, 400);
    let device = Device::founder(&bench.scratch).await?;
    let edits: Vec<_> = Edits::new(SEED).take(size).collect();
    device.write(&edits, GROUP).await?;
    Ok((device, size))
}

/// `history`: of one field of a task that is edited often, and of the map of all tasks.
pub(super) async fn history(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let (device, size) = long(bench).await?;
    let mut doc = Automerge::new();
    doc.apply_changes(changes(&device).await?).map_err(failed)?;
    let mut rows = Vec::new();
    for (of, place) in [("key", format!("tasks/{}/title", name(0))), ("object", "tasks".into())] {
        let place = Place::of(&doc, &place)?;
        let (mut ours, mut plain, mut listed) = (Vec::new(), Vec::new(), 0);
        for _ in 0..bench.times {
            let start = Instant::now();
            listed = of_place(&device, &place.path).await?;
            ours.push(ms(start.elapsed()));
            let start = Instant::now();
            place.read(&doc, listed)?;
            plain.push(ms(start.elapsed()));
        }
        let measured = Measured::new("history", median(&mut ours), "ms")
            .with("events", size)
            .with("of", of)
            .with("values", listed)
            .against(CHANGES, median(&mut plain));
        rows.push(measured.judge(&bench.machine, Op::AtMost, |of| Some(1.3 * of(CHANGES)?)));
    }
    device.stop().await;
    Ok(rows)
}

/// How many values of a place it lists.
async fn of_place(device: &Device, place: &str) -> Result<usize, Failure> {
    let asked = PastCommand::History { path: path(place)?, limit: VALUES };
    match device.ask(Command::Past(asked)).await? {
        Reply::Past(reply) => match *reply {
            PastReply::History(page) if !page.rows.is_empty() => Ok(page.rows.len()),
            other => Err(failed(format!("{place} has no history: {other:?}"))),
        },
        other => Err(failed(format!("{other:?} is no history"))),
    }
}

/// A place of the plain document, and the changes that wrote there, the newest first, each with
/// what it was made on.
struct Place {
    path: String,
    object: ObjId,
    key: String,
    wrote: Vec<(ChangeHash, Vec<ChangeHash>)>,
}

impl Place {
    fn of(doc: &Automerge, path: &str) -> Result<Self, Failure> {
        let segments: Vec<_> = path.split('/').collect();
        let (key, above) = segments.split_last().ok_or_else(|| failed("no path"))?;
        let mut object = ROOT;
        for segment in above {
            let found = doc.get(&object, *segment).map_err(failed)?;
            object = found.ok_or_else(|| failed(format!("{path} is not there")))?.1;
        }
        let id = match &object {
            ObjId::Root => None,
            ObjId::Id(number, actor, _) => Some((*number, actor.clone())),
        };
        let mut wrote = Vec::new();
        for change in doc.get_changes(&[]).iter().rev() {
            let is_there = change.decode().operations.iter().any(|op| match (&id, &op.obj) {
                // All but what stands beside it at the root is in it.
                (None, ObjectId::Root) => matches!(&op.key, Key::Map(of) if of.as_str() == *key),
                (None, ObjectId::Id(_)) => true,
                (Some(id), ObjectId::Id(of)) => {
                    (of.0, &of.1) == (id.0, &id.1)
                        && matches!(&op.key, Key::Map(of) if of.as_str() == *key)
                }
                (Some(_), ObjectId::Root) => false,
            });
            if is_there {
                wrote.push((change.hash(), change.deps().to_vec()));
            }
        }
        Ok(Self { path: path.to_owned(), object, key: (*key).to_owned(), wrote })
    }

    /// Lists all changes, and reads what so many of them left there, and what was there before: all
    /// but the oldest were made on what the one before them left, which is read already.
    fn read(&self, doc: &Automerge, values: usize) -> Result<(), Failure> {
        let changes = doc.get_changes(&[]);
        let mut read = 0;
        let wrote = || self.wrote.iter().take(values);
        let oldest = wrote().next_back().map(|(_, deps)| &deps[..]);
        let left = wrote().map(|(hash, _)| std::slice::from_ref(hash));
        for heads in left.chain(oldest) {
            let found = doc.get_all_at(&self.object, self.key.as_str(), heads);
            for (value, id) in found.map_err(failed)? {
                read += 1;
                if value.is_object() {
                    ReadDoc::hydrate(doc, &id, Some(heads)).map_err(failed)?;
                }
            }
        }
        if changes.is_empty() || read < values {
            return Err(failed(format!("{} was read {read} times of {values}", self.path)));
        }
        Ok(())
    }
}

/// `search`: page by page over everything, as `kern log --search` does.
pub(super) async fn search(bench: &Bench) -> Result<Vec<Row>, Failure> {
    let (device, size) = long(bench).await?;
    let keys = Keys::of(&device)?;
    let (mut ours, mut plain, mut opened) = (Vec::new(), Vec::new(), 0);
    for _ in 0..bench.times {
        let start = Instant::now();
        look_for(&device, "nothing says this").await?;
        ours.push(ms(start.elapsed()));
        let start = Instant::now();
        opened = keys.open(device.store())?;
        plain.push(ms(start.elapsed()));
        if opened < size {
            return Err(failed(format!("only {opened} of {size} rows could be opened")));
        }
    }
    device.stop().await;
    let measured = Measured::new("search", median(&mut ours), "ms")
        .with("events", size)
        .with("opened", opened)
        .against(ROWS, median(&mut plain));
    Ok(vec![measured.judge(&bench.machine, Op::AtMost, |of| Some(2.0 * of(ROWS)?))])
}

/// Looks for a text in all events; nothing says it.
async fn look_for(device: &Device, text: &str) -> Result<(), Failure> {
    let (text, mut from) = (Some(text.to_owned()), 0);
    loop {
        let asked = PastCommand::Search(Search { text: text.clone(), from, ..Search::default() });
        let Reply::Past(reply) = device.ask(Command::Past(asked)).await? else {
            return Err(failed("the search was not answered"));
        };
        match *reply {
            PastReply::Found(page) if page.rows.is_empty() && page.unread == 0 => match page.next {
                Some(next) => from = next,
                None => return Ok(()),
            },
            other => return Err(failed(format!("the search found {other:?}"))),
        }
    }
}

/// The keys of the epochs of a store.
struct Keys(Vec<(EventId, EpochKey)>);

impl Keys {
    fn of(device: &Device) -> Result<Self, Failure> {
        let (key, mut epochs, mut keys) = (device.key(), Vec::new(), Vec::new());
        for envelope in envelopes(device.store())? {
            let event = Verified::of_row(&envelope).map_err(failed)?;
            match event.control() {
                Some(ControlBody::Epoch(epoch)) => epochs.push((event.id(), epoch.clone())),
                Some(ControlBody::Wrap(wrap)) => {
                    let epoch = epochs.iter().find(|(id, _)| *id == wrap.epoch);
                    let opened = epoch.and_then(|(_, epoch)| {
                        let (own, secret) = (key.device(), key.sealing_secret());
                        unwrap_key(&event.workspace(), wrap, epoch, &own, secret)
                    });
                    keys.extend(opened.map(|key| (wrap.epoch, key)));
                }
                _ => {}
            }
        }
        Ok(Self(keys))
    }

    /// Reads every row and opens its body; how many had one.
    fn open(&self, store: &Path) -> Result<usize, Failure> {
        let mut opened = 0;
        for envelope in envelopes(store)? {
            let event = Verified::of_row(&envelope).map_err(failed)?;
            let (Some(epoch), Some(body)) = (event.header().epoch, event.body()) else { continue };
            let key = self.0.iter().find(|(id, _)| *id == epoch);
            let (_, key) = key.ok_or_else(|| failed("an epoch has no key"))?;
            seal::open(key, event.header(), body).map_err(failed)?;
            opened += 1;
        }
        Ok(opened)
    }
}
