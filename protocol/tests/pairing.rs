//! Facts about pairing: tokens, both machines, those who want in without being let in.

mod attacks;
mod frames;
mod honest;
mod kit;
mod orders;
mod refusals;
mod standing;
mod tokens;
mod vectors;
