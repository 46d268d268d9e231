//! Rules about meaning: what merges without disagreeing at any place, and still cannot both be.
//!
//! They look at what the document shows and at the index alone, so they are functions of the set of
//! changes like every other conflict.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ChangeHash as Hash, ROOT, ScalarValue, Value};
use serde_json::{Map, Value as Json};

use super::ConflictKind;
use super::lineage::OpNo;
use super::places::{At, Spot};
use super::scan::{Open, OpenSide, Scan, What};
use super::tree::View;
use crate::document::DocPath;
use crate::document::policy::{POLICIES, is_stricter};
use crate::id::{ChangeHash, DocumentId};

/// The mark of a plan: `tasks/TASK/plans/PLAN/final` is true.
pub(super) const FINAL: &str = "final";

/// A plan that is final.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: String,
    /// Where the mark stands.
    pub(super) mark: Spot,
}

/// What counts of a policy while changes disagree on it.
#[derive(Debug, Clone, PartialEq)]
pub struct Strictest {
    /// The value; none where a side removed it, and what no policy allows is denied.
    pub value: Option<Json>,
    /// The change that wrote it.
    pub change: ChangeHash,
}

/// Is this the place of a policy?
pub(super) fn is_policy(segments: &[String]) -> bool {
    matches!(segments, [map, _] if map == POLICIES)
}

impl Open {
    /// What of the marks stands once the plan of this side is kept.
    pub(super) fn kept_plan(&self, side: usize) -> Json {
        let marks = self.plans.iter().enumerate();
        Json::Object(marks.map(|(at, plan)| (plan.name.clone(), (at == side).into())).collect())
    }
}

impl Scan<'_> {
    /// The tasks of which several plans are final; `taken` are the places in conflict by
    /// themselves. `SPEC: CFL-12`
    pub(super) fn plans(&mut self, document: &DocumentId, taken: &BTreeSet<Spot>) -> Vec<Open> {
        let index = self.index;
        let mut tasks: BTreeMap<Spot, Task> = BTreeMap::new();
        for plan in index.places.marked() {
            index.count(1);
            self.add_plan(plan, taken, &mut tasks);
        }
        let several = tasks.into_iter().filter(|(_, task)| task.plans.len() > 1);
        several.map(|(spot, task)| self.open_plans(document, spot, task)).collect()
    }

    fn add_plan(
        &mut self,
        plan: OpNo,
        taken: &BTreeSet<Spot>,
        tasks: &mut BTreeMap<Spot, Task>,
    ) -> Option<()> {
        let (mut segments, mut above) = self.climb(plan)?;
        match &segments[..] {
            [map, _, plans, _] if map == "tasks" && plans == "plans" => {}
            _ => return None,
        }
        let mark = Spot { object: plan, at: At::Key(FINAL.into()) };
        if taken.contains(&mark) || above.iter().any(|above| taken.contains(above)) {
            return None;
        }
        let (value, id) = self.now().get(&self.id_of(plan), FINAL)?;
        if !matches!(&value, Value::Scalar(value) if **value == ScalarValue::Boolean(true)) {
            return None;
        }
        let value = self.op(&id)?;
        let change = self.index.places.writer_of(&mark, value)?;
        let name = segments.pop()?;
        // Of the places above the first is the plan's own, the second that of all plans.
        let plans = above.get(1)?.clone();
        above.drain(..2);
        let task = tasks.entry(plans).or_insert_with(|| Task { segments, above, plans: vec![] });
        let side = OpenSide { change, what: What::Value(value) };
        task.plans.push((side, Plan { name, mark }));
        Some(())
    }

    fn open_plans(&self, document: &DocumentId, spot: Spot, task: Task) -> Open {
        let Task { segments, above, mut plans } = task;
        plans.sort_by_cached_key(|(side, _)| self.order(*side));
        let (sides, plans): (Vec<_>, Vec<_>) = plans.into_iter().unzip();
        let kind = ConflictKind::PlansFinal;
        let id = self.id(document, &spot, kind, &sides);
        let path = DocPath::nearest(&segments);
        // A mark that an undo sets again is another change: the name stays. SPEC: CFL-8
        let mut named: Vec<_> = sides.into_iter().zip(plans).collect();
        named.sort_by(|(_, one), (_, two)| one.name.cmp(&two.name));
        let (sides, plans) = named.into_iter().unzip();
        Open { id, spot, sides, kind, segments, path, plans, above, below: BTreeSet::new() }
    }

    /// Which of the plans were final where all sides knew the document.
    pub(super) fn plans_before(&self, open: &Open, common: &[Hash]) -> Json {
        let view = View { doc: self.doc, heads: Some(common) };
        let was = |plan: &Plan| {
            let found = view.get(&self.id_of(plan.mark.object), FINAL);
            found.is_some_and(|(value, _)| {
                matches!(&value, Value::Scalar(value) if **value == ScalarValue::Boolean(true))
            })
        };
        let marks = open.plans.iter().map(|plan| (plan.name.clone(), was(plan).into()));
        Json::Object(marks.collect::<Map<_, _>>())
    }

    /// Of each policy on which changes disagree the strictest that a side wrote.
    pub(super) fn policies(&mut self) -> BTreeMap<String, Strictest> {
        let index = self.index;
        let map = self.now().get(&ROOT, POLICIES).and_then(|(_, id)| self.op(&id));
        let of_map = index.places.contested().filter(|(spot, _)| Some(spot.object) == map);
        let mut found = BTreeMap::new();
        for (spot, contest) in of_map {
            index.count(1);
            let At::Key(name) = &spot.at else { continue };
            let sides = self.sides(spot, contest);
            let strictest = self.strictest(spot, &sides);
            found.extend(strictest.map(|strictest| (name.to_string(), strictest)));
        }
        found
    }

    /// The strictest of what sides say of a policy.
    pub(super) fn strictest(&mut self, spot: &Spot, sides: &[OpenSide]) -> Option<Strictest> {
        let mut strictest: Option<Strictest> = None;
        for side in sides {
            let value = self.tree(spot, *side).map(|tree| tree.to_json());
            let change = ChangeHash(self.index.lineage.hash(side.change).0);
            let before = strictest.as_ref().map(|before| before.value.as_ref());
            if before.is_none_or(|before| is_stricter(value.as_ref(), before)) {
                strictest = Some(Strictest { value, change });
            }
        }
        strictest
    }
}

/// The final plans of a task.
struct Task {
    segments: Vec<String>,
    above: Vec<Spot>,
    plans: Vec<(OpenSide, Plan)>,
}
