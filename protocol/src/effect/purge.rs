//! Which bodies may be purged, and what a purge does: it destroys them wherever it has effect.

use std::collections::BTreeSet;

use super::{Chunks, Effect, Effects, Past, VoidReason, void};
use crate::authority::ContentNo;
use crate::content::{Content, Purge};
use crate::role::Role;

/// What others build on must not go: of the kinds known here artifacts alone may be shreddable. A
/// newer program may know more. `SPEC: EFF-10`
pub(super) fn check_kind(content: &Content) -> Result<(), VoidReason> {
    match content {
        Content::Artifact(_) | Content::Unknown(_) => Ok(()),
        Content::Change(_)
        | Content::Undo(..)
        | Content::Branch(..)
        | Content::Record(_)
        | Content::Purge(_) => {
            Err(void("not_shreddable", &"its kind must not be purged, and it says that it may be"))
        }
    }
}

/// Purges what its author wrote itself, or anything, where that is an admin. `SPEC: EFF-11`
pub(super) fn weigh(
    past: Past<'_>,
    no: ContentNo,
    purge: &Purge,
    shreddable: &BTreeSet<ContentNo>,
) -> Result<(Effect, Chunks), VoidReason> {
    let author = past.content.author(no);
    let leads = past.control.role(&author, &past.content.heard_set(no)) >= Some(Role::Admin);
    let mut purged = Vec::with_capacity(purge.events().len());
    for id in purge.events() {
        let named = past.content.number(id).filter(|named| past.content.in_view(no, *named));
        let Some(named) = named.filter(|named| *named != no) else {
            return Err(void(
                "not_in_view",
                &"it purges an event that its author had not admitted",
            ));
        };
        if !shreddable.contains(&named) {
            return Err(void("not_shreddable", &"it purges an event whose body is not shreddable"));
        }
        if !leads && past.content.author(named) != author {
            return Err(void("role", &"its author may not purge what others wrote"));
        }
        purged.push(named);
    }
    Ok((Effect::Purge(purged), Chunks::new()))
}

impl Effects {
    /// May the body of this event be purged?
    #[must_use]
    pub fn is_shreddable(&self, no: ContentNo) -> bool {
        self.shreddable.contains(&no)
    }

    /// Its body is purged, whether it was read or not.
    pub(crate) fn purge(&mut self, no: ContentNo) {
        self.replace(no, Effect::Purged);
    }

    /// Its body is purged no longer, and as good as never read.
    pub(crate) fn forget(&mut self, no: ContentNo) {
        self.replace(no, Effect::Unread);
    }
}
