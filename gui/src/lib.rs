//! The inspector: what the mesh knows, and what a person decides.
//!
//! It holds what the node said last and nothing else: [`model`] is plain data, panels are functions
//! from it to widgets and [`model::Action`]s, [`app`] is the one place that does what is asked, and
//! [`client`] speaks to the node. Everything the node says may stem from another device, so texts
//! are made printable and cut before they are laid out ([`render`]).

pub mod app;
pub mod bench;
pub mod client;
pub mod describe;
pub mod doors;
pub mod form;
pub mod keys;
pub mod model;
pub mod nav;
pub mod over;
pub mod pairing;
mod pane;
pub mod panel;
pub mod render;
pub mod run;
pub mod strip;
pub mod theme;
mod told;
