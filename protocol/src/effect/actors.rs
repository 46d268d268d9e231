//! The actor of the event before, which nearly always is that of the next one too: it is a hash of
//! who writes, in which life of the store, in which document and of which generation (SPEC: PRJ-2).

use std::cell::Cell;

use crate::hash;
use crate::id::{DeviceId, DocumentId, Incarnation};

/// Whose actor.
pub(super) type ActorOf = (DeviceId, Incarnation, DocumentId, u64);

/// Finds actors, and keeps the last one.
#[derive(Default)]
pub(super) struct Actors(Cell<Option<(ActorOf, [u8; 16])>>);

impl Actors {
    /// The actor of a device's store in a document.
    pub(super) fn of(&self, of: ActorOf) -> [u8; 16] {
        if let Some((_, actor)) = self.0.get().filter(|(last, _)| *last == of) {
            return actor;
        }
        let (author, incarnation, document, generation) = &of;
        let actor = hash::actor(author, incarnation, document, *generation);
        self.0.set(Some((of, actor)));
        actor
    }
}

#[cfg(test)]
mod tests {
    use super::Actors;
    use crate::hash;
    use crate::id::{DeviceId, DocumentId, Incarnation};

    #[test]
    fn an_actor_is_that_of_who_is_asked_for_whoever_was_asked_for_before() {
        // SPEC: PRJ-2
        let actors = Actors::default();
        let first = (DeviceId([1; 32]), Incarnation([2; 8]), DocumentId([3; 32]), 4);
        let all = [
            first,
            first,
            (DeviceId([9; 32]), first.1, first.2, first.3),
            (first.0, Incarnation([9; 8]), first.2, first.3),
            (first.0, first.1, DocumentId([9; 32]), first.3),
            (first.0, first.1, first.2, 9),
            first,
        ];
        for of in all {
            assert_eq!(actors.of(of), hash::actor(&of.0, &of.1, &of.2, of.3));
        }
    }
}
