//! The authority rules against an oracle, in every order, and by name.
//!
//! - `model.rs` is a slow port of the executable model of the design, `world.rs` makes histories.
//! - `fixtures.rs`: the port and the production code say what the original said.
//! - `random.rs`: production says what the port says, over random histories of all roles.
//! - `keyed.rs`: so it does for signed events of epochs, and of stores that are restored or cloned.
//! - `large.rs`: and for long histories, of ten thousand events where one asks for it.
//! - `orders.rs`: the order of delivery changes nothing.
//! - `plain.rs`: nor does what is not judged since it follows the newest event.
//! - `control_stories.rs`, `content_stories.rs`: what the rules are for, by name.
//! - `depth.rs`: what they cost in stack; `wide.rs`: and where a history is very long or wide.
//!
//! The model keeps a control event that is not valid from its own past, as a voice and as something
//! to be backdated from; production refuses it, for it is no event (SPEC: AUTH-3). To compare both,
//! a history is *cleaned*, in order of its events: one that the model finds not valid is taken out
//! of every past and every cut, and what follows is judged, by both, without it. A past stays
//! closed by that, since whatever had the refused event in its past loses only it. The comparison
//! then checks that production refuses exactly those events.
//! So it does with content by strangers (AUTH-20), which the model keeps and admits in no set.

mod adapter;
mod content_stories;
mod control_stories;
mod depth;
mod fixtures;
mod keyed;
mod large;
mod model;
mod orders;
mod plain;
mod random;
mod set;
mod story;
mod wide;
mod world;
