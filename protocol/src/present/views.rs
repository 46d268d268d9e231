//! From replies to [`Doc`]s. Nothing is computed here: what is not in the reply is not shown.

use std::collections::BTreeMap;

use crate::api::Protection;
use crate::command::{DeviceRow, LifeRow, LogRow, Mode, ReadReply, Status, TakenOut, WaitingRow};
use crate::id::DeviceId;
use crate::limits::NAME_BYTES_MAX;
use crate::present::when::CLOCK_WRONG;
use crate::present::{Block, Doc, Text, Tone, utc};
use crate::printable;
use crate::sync::PeerState;
use crate::time::Stamp;
use crate::workspace::Verdict;

/// Bytes of a reason that are shown; the whole of it is in `kern log show`.
const REASON_SHOWN_MAX: usize = 400;

/// Where a device stands, and how its secret is kept, as far as its node says.
#[must_use]
pub fn status(
    status: &Status,
    secret: Option<Protection>,
    names: &BTreeMap<DeviceId, String>,
) -> Doc {
    let mode = match (status.mode, status.online) {
        (Mode::Local, _) => "local (no transport opens)",
        (Mode::Synced, true) => "synced, online",
        (Mode::Synced, false) => "synced, offline",
    };
    let role = match status.role {
        Some(role) => Text::plain(role.name()),
        None if status.revoked => Text::toned(Tone::Attention, "none: this device was revoked"),
        None => Text::toned(Tone::Attention, NO_MEMBER),
    };
    let hash = match &status.state_hash {
        Some(hash) => Text::plain(hash),
        None => Text::toned(Tone::Attention, "not claimed"),
    };
    let mut fields = vec![
        ("workspace".to_owned(), Text::plain(&status.workspace)),
        ("id".to_owned(), Text::plain(status.workspace_id)),
        ("device".to_owned(), Text::plain(&status.device)),
        ("device id".to_owned(), Text::plain(status.device_id)),
        ("role".to_owned(), role),
        ("mode".to_owned(), Text::plain(mode)),
        ("events".to_owned(), Text::plain(status.events)),
        ("documents".to_owned(), Text::plain(documents(status))),
        ("conflicts".to_owned(), Text::plain(conflicts_known(status))),
        ("state hash".to_owned(), hash),
    ];
    if !status.peers.is_empty() {
        fields.push(("known on".to_owned(), Text::plain(known_on(&status.peers, names))));
    }
    fields.extend(secret.map(|kept| ("secret".to_owned(), Text::plain(kept.name()))));
    let mut blocks = vec![Block::Fields(fields)];
    if let Some(loading) = &status.loading {
        let text = format!(
            "starting: {} of {} events are read; this is how it was after {}",
            loading.events, loading.of, loading.shown
        );
        blocks.push(Block::Line(Text::toned(Tone::Attention, text)));
    }
    let line = |peer| Block::Line(reached(peer, status.said_at, names));
    blocks.extend(status.peers.iter().map(line));
    for row in &status.waiting {
        blocks.push(Block::Line(Text::toned(Tone::Attention, waits(row, names))));
    }
    if let Some(format) = status.newer_format {
        let text = format!(
            "newer_format: an owner gave this workspace format {format}, which this program does \
             not know: upgrade kern; until then it reads, keeps and passes on, and writes nothing"
        );
        blocks.push(Block::Line(Text::toned(Tone::Attention, text)));
    }
    let line = |life| Block::Line(Text::toned(Tone::Attention, lived(life)));
    blocks.extend(status.lives.iter().map(line));
    if status.absent > 0 {
        blocks.push(Block::Line(Text::toned(Tone::Attention, absent(status.absent))));
    }
    if status.shredding {
        let text = "purged data may still be in the file of this device's store: the node goes on \
                    destroying it";
        blocks.push(Block::Line(Text::toned(Tone::Attention, text.to_owned())));
    }
    for damage in &status.damage {
        blocks.push(Block::Line(Text::toned(Tone::Attention, format!("damaged: {damage}"))));
    }
    Doc(blocks)
}

/// A device that was never let in, or has not heard of it: an archive brought the events, or the
/// history is still coming.
const NO_MEMBER: &str =
    "none: no event here lets this device in; an invitation does, or kern rescue";

/// Bodies that are not here, and what that means.
fn absent(bodies: usize) -> String {
    let whose = match bodies {
        1 => "the body of an artifact is".to_owned(),
        _ => format!("the bodies of {bodies} artifacts are"),
    };
    format!(
        "{whose} not here, and nothing else waits for that: `kern log` says which; a device that \
         has it gives it when it connects"
    )
}

/// What is said of conflicts where nothing can be read.
pub const NOT_READ: &str = "not known: this device keeps all and reads nothing";

/// How many are known, and where none were looked for yet.
fn conflicts_known(status: &Status) -> String {
    if !status.reads() {
        return NOT_READ.to_owned();
    }
    match status.uncounted {
        0 => status.conflicts.to_string(),
        left => format!("{}, {left} documents are still to be looked at", status.conflicts),
    }
}

/// How many there are, and how many of them this device holds in memory.
fn documents(status: &Status) -> String {
    let (all, loaded) = (status.documents, status.loaded);
    if all == loaded { all.to_string() } else { format!("{all}, {loaded} of them loaded") }
}

/// What is not in the document yet, and for how long.
fn waits(row: &WaitingRow, names: &BTreeMap<DeviceId, String>) -> String {
    let name = device_name(&row.device, names);
    format!(
        "{}: {} events wait, since {name} made too many keys and objects; the next goes in in {} s",
        row.reason, row.events, row.next_s
    )
}

/// What became of the life of the own store.
fn lived(row: &LifeRow) -> String {
    format!("{}: {}", utc(row.at), life(&row.reason))
}

const SALVAGED: &str = "store_salvaged: ";
const LEFT_OUT: &str = "rows_left_out: ";

/// The same of a reason alone. `SPEC: DUR-5, DUR-7`
#[must_use]
pub fn life(reason: &str) -> String {
    let what = match reason {
        "new_life: own_event_elsewhere" => {
            "this home was restored from a copy, or a copy of it runs elsewhere: events of its own \
             came back from a peer. It goes on beside them as a new life, and nothing is lost. If \
             you know of no copy, revoke this device"
        }
        "new_life: store_damaged" => {
            "events of this device could not be read: it goes on as a new life, and asks its peers \
             for them"
        }
        "other_life" => {
            "another store with this device's key has written: if you know of none, revoke this \
             device"
        }
        "log_tail_dropped" => {
            "the newest of what was written last could not be read: peers are asked for it"
        }
        "store_healed" => "what was damaged in the store came back from peers",
        other => {
            return match (other.strip_prefix(SALVAGED), other.strip_prefix(LEFT_OUT)) {
                (Some(kept), _) => format!(
                    "the store was damaged: what could be read is in a new one, and peers are \
                     asked for the rest. Check the disk. The damaged one is kept as {kept} beside \
                     the new one; remove it when nothing is missed"
                ),
                (_, Some(count)) => format!(
                    "{count} rows of the damaged store proved nothing: the new one lacks them"
                ),
                _ => other.to_owned(),
            };
        }
    };
    what.to_owned()
}

/// What others hold of what is here, by their own words.
fn known_on(peers: &[PeerState], names: &BTreeMap<DeviceId, String>) -> String {
    let count = |peer: &PeerState| {
        format!("{} {}/{}", device_name(&peer.device, names), peer.acked, peer.of)
    };
    peers.iter().map(count).collect::<Vec<_>>().join(", ")
}

/// Over what another device is reached.
fn reached(peer: &PeerState, now: Stamp, names: &BTreeMap<DeviceId, String>) -> Text {
    let name = device_name(&peer.device, names);
    let round = peer.rtt_ms.map_or_else(String::new, |rtt| format!(", {rtt} ms"));
    if peer.strikes > 0 {
        let met = match (&peer.path, peer.kept_out_s) {
            (Some(path), _) => path.clone(),
            (None, Some(seconds)) => format!("not met for {seconds} s"),
            (None, None) => "not connected".to_owned(),
        };
        let text = format!("{name}: {met}; broke rules {} times: kern log", peer.strikes);
        return Text::toned(Tone::Attention, text);
    }
    match &peer.path {
        Some(path) => Text::plain(format!("{name}: {path}{round}")),
        None => Text::plain(format!("{name}: {}", away(peer, now))),
    }
}

/// Of a device that is not connected: when it last was, and what gossip carried of its own words
/// since. By the time of day, which stays true however long it is looked at. `SPEC: HINT-5`
#[must_use]
pub fn away(peer: &PeerState, now: Stamp) -> String {
    let at = |ago_s: u64| match now {
        // A node of before does not say when that was.
        Stamp(0) => format!("{ago_s} s ago"),
        Stamp(now) => utc(Stamp(now.saturating_sub(ago_s.saturating_mul(1_000_000)))),
    };
    let seen = peer.last_seen_s.map_or_else(String::new, |ago| format!(", last seen {}", at(ago)));
    let heard = peer.heard.map_or_else(String::new, |heard| {
        let ahead = if heard.is_ahead { ", it has what is not here" } else { "" };
        format!("; heard by gossip {}{ahead}", at(heard.ago_s))
    });
    format!("not connected{seen}{heard}")
}

/// What is at a path.
#[must_use]
pub fn read(read: &ReadReply) -> Doc {
    let value = serde_json::to_string_pretty(&read.value).unwrap_or_default();
    let mut blocks = vec![Block::Verbatim(value)];
    if read.conflict {
        let note = "several values were written here apart: this is the one shown";
        blocks.push(Block::Line(Text::toned(Tone::Attention, note)));
    }
    blocks.extend(conflict_below(read));
    Doc(blocks)
}

/// That not all of what is shown is settled, where that is so.
#[must_use]
pub fn conflict_below(read: &ReadReply) -> Option<Block> {
    let note = "of what stands below, something was written apart: `kern conflicts` says what";
    read.conflict_below.then(|| Block::Line(Text::toned(Tone::Attention, note)))
}

/// That what is shown may lack something, where that is so. `SPEC: DUR-9`
#[must_use]
pub fn behind(read: &ReadReply) -> Option<Doc> {
    let loading = read.loading?;
    let (lacks, of) = (loading.of.saturating_sub(loading.shown), loading.of);
    let text = format!("starting: this is how it was before the last {lacks} of {of} events");
    Some(Doc(vec![Block::Line(Text::toned(Tone::Attention, text))]))
}

/// One event or notice, on one line: when, by whom, of which kind, and what became of it.
#[must_use]
pub fn log_row(row: &LogRow, names: &BTreeMap<DeviceId, String>) -> Doc {
    let id = row.id.map_or_else(|| format!("{:8}", "-"), |id| id.short());
    let verdict = match row.verdict {
        Some(Verdict::Admitted) | None => "",
        Some(Verdict::Quarantined) => " quarantined",
        Some(Verdict::Void) => " void",
    };
    let reason = row.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    let often = row.times.filter(|times| *times > 1);
    let often = often.map_or_else(String::new, |times| format!(" {times} times"));
    let wrong = if row.clock_wrong { CLOCK_WRONG } else { "" };
    let (when, who) = (utc(row.stamp), device_name(&row.author, names));
    let text = format!("{id}  {when}  {who}  {}{verdict}{reason}{often}{wrong}", row.kind);
    let tone = if row.id.is_none() { Tone::Attention } else { Tone::Plain };
    Doc(vec![Block::Line(Text::toned(tone, text))])
}

/// A device's name, or the beginning of its id where it has none.
#[must_use]
pub fn device_name(device: &DeviceId, names: &BTreeMap<DeviceId, String>) -> String {
    names.get(device).cloned().unwrap_or_else(|| device.short())
}

/// Who is a member.
#[must_use]
pub fn devices(rows: &[DeviceRow], names: &BTreeMap<DeviceId, String>) -> Doc {
    let cells = rows.iter().map(|row| {
        let role = match row.role {
            Some(role) => Text::plain(role.name()),
            None => Text::toned(Tone::Attention, "revoked"),
        };
        let own = if row.own { "this device" } else { "" };
        let name = Text::plain(device_name(&row.id, names));
        vec![name, role, Text::plain(row.id), Text::toned(Tone::Quiet, own)]
    });
    let columns = ["device", "role", "id", ""].map(str::to_owned).to_vec();
    let mut blocks = vec![Block::Table { columns, rows: cells.collect() }];
    let out = rows.iter().filter_map(|row| {
        let out = taken_out(row.out.as_ref()?, names);
        Some(Block::Line(Text::plain(format!("{}: {out}", device_name(&row.id, names)))))
    });
    blocks.extend(out);
    Doc(blocks)
}

/// Who took a device out, when, and why.
#[must_use]
pub fn taken_out(out: &TakenOut, names: &BTreeMap<DeviceId, String>) -> String {
    let by = printable::shown(&device_name(&out.by, names), NAME_BYTES_MAX);
    let (event, when) = (out.event.short(), utc(out.at));
    format!("revoked by {by}, {when}, event {event}{}", because(&out.reason))
}

/// Why, where somebody said it.
pub(super) fn because(reason: &str) -> String {
    if reason.is_empty() {
        return String::new();
    }
    format!(": {}", printable::shown(reason, REASON_SHOWN_MAX))
}
