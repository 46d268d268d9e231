//! Pairing: how a device that holds nothing becomes a member, by a code that one screen shows and
//! two digits that a person carries back.
//!
//! Two machines that never learn what a socket, a clock or a random source is: [`Issuer`] stands
//! on the device that invites, [`Newcomer`] on the one that comes. Both take plain data and give
//! plain data. Reading order: [`token`] (what the code says), [`proof`] (what the secret proves on
//! one TLS channel), [`messages`] (what is sent), [`code`] (why it may end), [`issuer`],
//! [`newcomer`], [`standing`] (a file instead of a code, for machines without a screen).
//!
//! Invariant: to have seen the code alone never makes a member; to hold a join file does, and is
//! bounded in number, time and role. Invariant: no code is loaded at start, so a restart burns what
//! was open (SPEC: PAIR-10); only standing invitations are handed in again.

pub mod code;
pub mod issuer;
pub mod messages;
pub mod newcomer;
pub mod proof;
pub mod standing;
pub mod token;

pub use code::PairingCode;
pub use issuer::{Issuer, IssuerInput, IssuerOutput, LinkId, Terms};
pub use newcomer::{Applicant, Newcomer, NewcomerInput, NewcomerOutput};
pub use proof::CheckCode;
pub use standing::{JoinFile, Standing};
pub use token::{Intent, InvitationId, Secret, Token, TokenFault};
