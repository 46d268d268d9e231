//! The built-in policy: default deny, a short list of rules (SPEC: POL-1 to POL-3).
//!
//! A rule sees what is in the past of the decision and nothing else, so every device gives the
//! same answer; a decision that says otherwise has no effect. A policy that a workspace writes
//! itself replaces this evaluator later, not the events.

use serde::{Serialize, Serializer};

use super::record::{Act, Stage};
use crate::role::Role;

/// What a rule may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The role of who asks, by the control events that it has heard.
    pub role: Option<Role>,
    /// Is it the home of the mission's repository?
    pub is_home: bool,
    /// The stage on which it holds the lease.
    pub holds: Option<Stage>,
    /// Was the candidate verified and replayed?
    pub is_replayed: bool,
}

/// A rule that allows something.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Rule {
    /// Its name, which decisions carry.
    pub rule: &'static str,
    /// What of a mission it allows; none where it is about a grant, which lists call `grant`.
    #[serde(serialize_with = "serialize_act")]
    pub act: Option<Act>,
    /// To whom, in words.
    pub allows: &'static str,
    #[serde(skip)]
    test: fn(&Facts) -> bool,
}

impl Rule {
    /// What it is about, in one word: an act of missions, or `grant`.
    #[must_use]
    pub fn about(&self) -> &'static str {
        about(self.act)
    }
}

fn about(act: Option<Act>) -> &'static str {
    act.map_or("grant", Act::name)
}

/// Lists always say what a rule is about.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn serialize_act<S: Serializer>(act: &Option<Act>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(about(*act))
}

/// What a decision carries where no rule allows what was asked.
pub const DEFAULT_DENY: &str = "default-deny";

/// The rules. Whatever none of them allows is denied. `SPEC: POL-2`
pub const RULES: [Rule; 6] = [
    Rule {
        rule: "pairing",
        act: None,
        allows: "an owner or admin lets in a device whose check code a person typed",
        test: |_| false,
    },
    Rule {
        rule: "runner-runs-agents",
        act: Some(Act::RunAgent),
        allows: "a device of role runner or above that was started with --run takes the lease",
        test: |facts| facts.role >= Some(Role::Runner),
    },
    Rule {
        rule: "holder-starts-steps",
        act: Some(Act::StartStep),
        allows: "the holder of the lease to implement starts the next step",
        test: |facts| facts.role >= Some(Role::Runner) && facts.holds == Some(Stage::Implement),
    },
    Rule {
        rule: "holder-verifies",
        act: Some(Act::Verify),
        allows: "the holder of the lease to verify runs the verification's command",
        test: |facts| facts.role >= Some(Role::Runner) && facts.holds == Some(Stage::Verify),
    },
    Rule {
        rule: "home-moves-refs",
        act: Some(Act::MoveRef),
        allows: "the home of the repository moves the branch to a verified and replayed candidate",
        test: |facts| facts.role >= Some(Role::Member) && facts.is_home && facts.is_replayed,
    },
    Rule {
        rule: "home-or-admin-cancels",
        act: Some(Act::Cancel),
        allows: "the home of the repository, an owner or an admin ends a mission",
        test: |facts| facts.is_home || facts.role >= Some(Role::Admin),
    },
];

/// The answer, and the rule that gave it. `SPEC: POL-1, POL-3`
#[must_use]
pub fn decide(act: Act, facts: &Facts) -> (bool, &'static str) {
    let rule = RULES.iter().find(|rule| rule.act == Some(act) && (rule.test)(facts));
    rule.map_or((false, DEFAULT_DENY), |rule| (true, rule.rule))
}
