//! The command registry: what a person can do, by which keys, by which words of `kern`, and why
//! not now. The palette, the help and the keys of every surface come from this one list.

use serde::Serialize;

/// One thing that can be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its name for programs, never changed.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The keys that do it; empty where there are none.
    pub keys: &'static str,
    /// The same on the command line; empty where it has no sense there.
    pub kern: &'static str,
    /// Why it cannot be done now.
    pub why_not: Option<&'static str>,
}

/// What decides whether something can be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// The node is reached.
    pub connected: bool,
    /// There is a workspace.
    pub workspace: bool,
    /// This device is a member or more, and knows the workspace's format.
    pub writes: bool,
    /// It has a role, whichever, which it can leave.
    pub leaves: bool,
    /// It is an owner or an admin.
    pub leads: bool,
    /// The past is looked at.
    pub past: bool,
    /// A conflict is looked at, with so many sides.
    pub sides: usize,
    /// There is a conflict before that one.
    pub before: bool,
    /// There is one behind it.
    pub after: bool,
    /// How many are selected for the same choice.
    pub selected: usize,
    /// An event is looked at.
    pub event: bool,
    /// It is of a kind that is taken back.
    pub undoable: bool,
    /// No document was written before that one.
    pub first: bool,
}

const DOWN: &str = "the node does not run";
const HOMELESS: &str = "there is no workspace yet";
const READS: &str = "this device may not write here: a member may";
const FOLLOWS: &str = "an owner or an admin does this";
const PAST: &str = "the past is looked at: go back to now first";
const UNWRITTEN: &str = "no edit is known before that event: go to one of an edit";
const NO_EVENT: &str = "no event of the timeline is looked at";
const NEVER: &str = "an event of this kind is never taken back";
const NONE_OPEN: &str = "no conflict is looked at";

impl Standing {
    fn reads(&self) -> Option<&'static str> {
        if self.workspace { None } else { Some(HOMELESS) }
    }

    /// Why nothing can be written now.
    #[must_use]
    pub fn why_no_write(&self) -> Option<&'static str> {
        match () {
            () if !self.connected => Some(DOWN),
            () if !self.workspace => Some(HOMELESS),
            () if self.past => Some(PAST),
            () if !self.writes => Some(READS),
            () => None,
        }
    }

    /// Why this device puts nobody out now, itself included.
    #[must_use]
    pub fn why_no_leave(&self) -> Option<&'static str> {
        Self { writes: self.writes || self.leaves, ..*self }.why_no_write()
    }

    /// Why this device lets nobody in and puts nobody out now.
    #[must_use]
    pub fn why_no_lead(&self) -> Option<&'static str> {
        self.why_no_write().or_else(|| (!self.leads).then_some(FOLLOWS))
    }

    fn looks(&self) -> Option<&'static str> {
        (self.sides == 0).then_some(NONE_OPEN)
    }

    fn decides(&self) -> Option<&'static str> {
        self.why_no_write().or_else(|| (self.selected == 0).then_some("no conflict is selected"))
    }

    fn goes_back(&self) -> Option<&'static str> {
        let none = (!self.event).then_some(NO_EVENT);
        self.reads().or(none).or_else(|| self.first.then_some(UNWRITTEN))
    }

    fn keeps(&self, side: usize) -> Option<&'static str> {
        let absent = match self.sides {
            0 => Some(NONE_OPEN),
            sides if sides <= side => Some("the conflict has fewer sides"),
            _ => None,
        };
        self.why_no_write().or(absent)
    }
}

/// A thing that is there or not by one reason: its id, its title, its keys, and its command.
type Row = [&'static str; 4];

const GOES: [Row; 8] = [
    ["go.overview", "Go to the overview", "Alt+1", "kern status"],
    ["go.timeline", "Go to the timeline", "Alt+2", "kern log --graph"],
    ["go.devices", "Go to the devices", "Alt+3", "kern devices"],
    ["go.conflicts", "Go to the conflicts", "Alt+4", "kern conflicts"],
    ["go.missions", "Go to the missions", "Alt+5", "kern mission list"],
    ["go.documents", "Go to the documents", "Alt+6", "kern doc get"],
    ["go.quarantine", "Go to what is kept apart", "Alt+7", "kern quarantine list"],
    ["go.branches", "Go to the branches", "Alt+8", "kern branch list --all"],
];

/// A side each, in their order.
const KEEPS: [Row; 9] = [
    ["conflict.keep.1", "Keep side A", "1", RESOLVE],
    ["conflict.keep.2", "Keep side B", "2", RESOLVE],
    ["conflict.keep.3", "Keep side C", "3", RESOLVE],
    ["conflict.keep.4", "Keep side D", "4", RESOLVE],
    ["conflict.keep.5", "Keep side E", "5", RESOLVE],
    ["conflict.keep.6", "Keep side F", "6", RESOLVE],
    ["conflict.keep.7", "Keep side G", "7", RESOLVE],
    ["conflict.keep.8", "Keep side H", "8", RESOLVE],
    ["conflict.keep.9", "Keep side I", "9", RESOLVE],
];

/// What writes, and asks first what.
const WRITES: [Row; 13] = [
    ["doc.set", "Set a value…", "", "kern doc set"],
    ["doc.remove", "Remove a value…", "", "kern doc rm"],
    ["board.create", "Create a board…", "", "kern board create"],
    ["board.archive", "Put a board away…", "", "kern board archive"],
    ["board.back", "Bring a board back…", "", "kern board archive --undo"],
    ["branch.create", "Create a branch…", "", "kern branch create"],
    ["branch.merge", "Merge a branch…", "", "kern branch merge"],
    ["branch.archive", "Put a branch away…", "", "kern branch archive"],
    ["branch.back", "Bring a branch back…", "", "kern branch archive --undo"],
    ["agent.set", "Set an agent…", "", "kern agent add"],
    ["mission.start", "Start a mission…", "", "kern mission start"],
    ["mission.cancel", "Cancel a mission…", "", "kern mission cancel"],
    ["event.purge", "Purge artifacts…", "", "kern purge"],
];

/// Whoever it is may leave by it.
const LEAVES: Row = ["device.revoke", "Revoke a device…", "", "kern revoke"];

/// What else an owner or an admin writes.
const LEADS: [Row; 4] = [
    ["event.strike", "Strike an event…", "", "kern strike"],
    ["event.readmit", "Bring an event back…", "", "kern readmit --event"],
    ["device.invite", "Invite a device…", "", "kern invite"],
    ["device.readmit", "Bring back what a device wrote…", "", "kern readmit"],
];

const DOORS: [Row; 3] = [
    ["door.create", "Create a workspace…", "", "kern init"],
    ["door.join", "Join a workspace…", "", "kern join"],
    ["door.restore", "Restore a workspace…", "", "kern import --events"],
];

/// Everything that can be done, in the order in which it is listed.
#[must_use]
pub fn registry(standing: &Standing) -> Vec<Entry> {
    let when = |is: bool, why: &'static str| if is { None } else { Some(why) };
    let (goes, writes) = (standing.reads(), standing.why_no_write());
    let doors = when(standing.connected, DOWN);
    let mut all = Vec::new();
    let mut add = |[id, title, keys, kern]: Row, why_not| {
        all.push(Entry { id, title, keys, kern, why_not });
    };
    GOES.into_iter().for_each(|row| add(row, goes));
    add(["undo", "Undo my last change", "U", "kern undo"], writes);
    let none = when(standing.event, NO_EVENT).or_else(|| when(standing.undoable, NEVER));
    add(["undo.event", "Undo the event that is looked at", "", "kern undo EVENT"], writes.or(none));
    // Where none is looked at, none is the last of them either.
    let last = standing.looks().or_else(|| when(standing.after, "it is the last"));
    add(["conflict.next", "Next conflict", "N", ""], last);
    let first = standing.looks().or_else(|| when(standing.before, "it is the first"));
    add(["conflict.previous", "Previous conflict", "P", ""], first);
    KEEPS.into_iter().enumerate().for_each(|(side, row)| add(row, standing.keeps(side)));
    add(["conflict.value", "Decide by a value of your own…", "", VALUE], standing.keeps(0));
    add(["conflict.select", "Select this conflict, or not", "X", ""], standing.looks());
    add(["conflict.bulk", "Decide all that are selected…", "", BULK], standing.decides());
    add(["past", "Show the workspace as of this event", "T", AT], standing.goes_back());
    add(["now", "Back to now", "Escape", ""], when(standing.past, "this is now"));
    WRITES.into_iter().for_each(|row| add(row, writes));
    add(LEAVES, standing.why_no_leave());
    LEADS.into_iter().for_each(|row| add(row, standing.why_no_lead()));
    DOORS.into_iter().for_each(|row| add(row, doors));
    add(["panes", "Next pane", "F6", ""], None);
    add(["palette", "All commands", "Ctrl+K", "kern --help"], None);
    add(["help", "Help: all keys", "?", "kern --help"], None);
    all
}

const RESOLVE: &str = "kern conflicts resolve";
const VALUE: &str = "kern conflicts resolve --value";
const BULK: &str = "kern conflicts resolve --take";
const AT: &str = "kern doc get --at";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_titles_and_keys_name_one_thing_each() {
        let all = registry(&Standing::default());
        let ids: BTreeSet<_> = all.iter().map(|entry| entry.id).collect();
        let titles: BTreeSet<_> = all.iter().map(|entry| entry.title).collect();
        let keys: Vec<_> =
            all.iter().map(|entry| entry.keys).filter(|key| !key.is_empty()).collect();
        assert_eq!(ids.len(), all.len());
        assert_eq!(titles.len(), all.len());
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
    }

    #[test]
    fn what_cannot_be_done_says_why() {
        let full = Standing {
            connected: true,
            workspace: true,
            writes: true,
            leaves: true,
            leads: true,
            past: false,
            sides: 2,
            before: true,
            after: true,
            selected: 0,
            event: true,
            undoable: true,
            first: false,
        };
        let why = |standing: &Standing, id: &str| {
            registry(standing).into_iter().find(|entry| entry.id == id).unwrap().why_not
        };
        assert_eq!(why(&full, "undo"), None);
        assert_eq!(why(&full, "conflict.keep.2"), None);
        assert_eq!(why(&full, "conflict.keep.3"), Some("the conflict has fewer sides"));
        assert_eq!(why(&Standing { past: true, ..full }, "undo"), Some(PAST));
        assert_eq!(why(&full, "device.invite"), None);
        let member = Standing { leads: false, ..full };
        assert_eq!(why(&member, "device.invite"), Some(FOLLOWS));
        assert_eq!(why(&member, "device.revoke"), None, "it may leave");
        assert_eq!(why(&member, "doc.set"), None);
        let store = Standing { writes: false, ..member };
        assert_eq!(why(&store, "conflict.keep.1"), Some(READS));
        assert_eq!(why(&store, "device.revoke"), None, "it may leave, too");
        assert_eq!(why(&Standing { leaves: false, ..store }, "device.revoke"), Some(READS));
        assert_eq!(why(&Standing { connected: false, ..full }, "undo"), Some(DOWN));
        assert_eq!(why(&Standing { sides: 0, ..full }, "conflict.keep.1"), Some(NONE_OPEN));
        assert_eq!(why(&Standing { workspace: false, ..full }, "go.devices"), Some(HOMELESS));
        for (id, end) in [("next", "it is the last"), ("previous", "it is the first")] {
            let id = format!("conflict.{id}");
            assert_eq!(why(&full, &id), None);
            let alone = Standing { before: false, after: false, ..full };
            assert_eq!(why(&alone, &id), Some(end));
            assert_eq!(why(&Standing { sides: 0, ..alone }, &id), Some(NONE_OPEN));
        }
        assert_eq!(why(&full, "undo.event"), None);
        assert_eq!(why(&Standing { event: false, ..full }, "undo.event"), Some(NO_EVENT));
        assert_eq!(why(&Standing { undoable: false, ..full }, "undo.event"), Some(NEVER));
        assert_eq!(why(&full, "now"), Some("this is now"));
        assert_eq!(why(&full, "past"), None);
        assert_eq!(why(&Standing { first: true, ..full }, "past"), Some(UNWRITTEN));
    }
}
