//! `kern-gui`: the inspector in a window.

fn main() {}
