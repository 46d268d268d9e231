//! Authority: who may write, and what a revocation means.
//!
//! Every device computes the same answers from the same events, whatever the order in which they
//! came, and a device that cannot read bodies computes them too. Two lanes:
//!
//! - [`ControlLane`] holds who may do what (rules 1 to 5). *Birth* is judged from an event's own
//!   past and never changes; what is not valid then is refused and is no event. Revocations that
//!   remove each other both count, unless one is backdated or the witnesses heard the other first.
//!   All other control events take *effect* while their author *stands* for them, and *members*
//!   follow from that.
//! - [`ContentLane`] holds everything else (rule 6). An event is *firm* while its author stands for
//!   it; what a firm event's author had admitted when it wrote stays admitted.
//!
//! Nothing here recurses: events are inserted in causal order, and every fact about an event that
//! does not depend on what is known later (need, override, dispute, view) is fixed at its
//! insertion, from facts about smaller numbers. What does depend on it is kept for all that is
//! here, and found for any other set from where that differs (SPEC: AUTH-19, AUTH-22).
//!
//! The exact words are in SPEC.md (AUTH-n); a slow model of them stands in the tests.

mod bits;
mod content;
mod control;

pub use bits::BitSet;
pub use content::{Added, ContentLane, ContentNo, Reach, Rejudged};
pub use control::{Claim, ControlFact, ControlLane, ControlNo, ControlSet, Refusal, Standing};
