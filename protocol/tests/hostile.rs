//! Bad input, as tables: bytes that are nothing, events that break a rule, in every order, and many
//! thousand valid inputs put wrong.

#[path = "hostile/behind.rs"]
mod behind;
#[path = "hostile/branches.rs"]
mod branches;
#[path = "hostile/forks.rs"]
mod forks;
#[path = "hostile/fuzz.rs"]
mod fuzz;
#[path = "hostile/orders.rs"]
mod orders;
#[path = "hostile/poison.rs"]
mod poison;
#[path = "hostile/recarried.rs"]
mod recarried;
#[path = "hostile/runs.rs"]
mod runs;
#[path = "hostile/samples.rs"]
mod samples;
#[path = "hostile/signatures.rs"]
mod signatures;
mod strikes;
#[path = "hostile/tables.rs"]
mod tables;
#[path = "hostile/twins.rs"]
mod twins;
#[path = "hostile/upstream.rs"]
mod upstream;
