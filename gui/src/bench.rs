//! What the inspector costs, without a window: the timeline of a long history is scrolled from its
//! end to its beginning, and then nothing happens for a minute.
//!
//! The history is made up, page by page as it is asked for: what a node needs for its answers is
//! measured elsewhere. `kern-gui --bench EVENTS` prints a [`Cost`]; `kern bench` starts that.

use std::time::Instant;

use eframe::egui::{self, Context, RawInput, Rect, pos2, vec2};
use kernelos_protocol::command::{Command, Failure, FailureKind, Follow, LogRow, Reply};
use kernelos_protocol::id::{DeviceId, EventId, Incarnation, Lane, WorkspaceId};
use kernelos_protocol::time::Stamp;
use kernelos_protocol::timeline::{self, Look};
use kernelos_protocol::workspace::Verdict;
use serde::Serialize;

use crate::app::App;
use crate::client::{Client, Ends, News};
use crate::model::{Action, Link, Topic};
use crate::panel::Panel;

/// Frames that are measured.
const FRAMES: usize = 240;
/// The last of a few first frames: what is set up once is.
const SETTLED: usize = 8;

/// What drawing costs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cost {
    /// Milliseconds of one frame of scrolling, layout and tessellation, the 95th percentile: of CPU
    /// where the system tells it, otherwise of time.
    pub frame_ms: f64,
    /// Milliseconds from nothing to the first frame that shows the timeline.
    pub open_ms: f64,
    /// Frames that are asked for in a minute in which nothing happens.
    pub repaints: usize,
}

/// A history of some events by two devices, every 50th of which merges both lines.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// How many events.
    pub total: usize,
}

impl History {
    /// What a node with this history answers.
    pub fn answer(&self, command: &Command) -> Result<Reply, Failure> {
        match command {
            Command::Timeline(query) => {
                let mut look = |at| Some(look(at));
                let page = timeline::page(self.total, query, &mut look, Vec::new());
                Ok(Reply::Timeline(Box::new(page)))
            }
            _ => Err(Failure::new(FailureKind::Failed, "this history has its events alone")),
        }
    }
}

/// The id of an event of a [`History`].
#[must_use]
pub fn id(at: usize) -> EventId {
    let mut id = [0; 32];
    id.iter_mut().zip((at as u64).to_be_bytes()).for_each(|(to, from)| *to = from);
    EventId(id)
}

fn look(at: usize) -> Look {
    let device = |at: usize| DeviceId([if at.is_multiple_of(2) { 1 } else { 2 }; 32]);
    let other = at.is_multiple_of(50).then(|| at.checked_sub(1)).flatten();
    let follows = at.checked_sub(2).into_iter().chain(other);
    let follows = follows.map(|index| Follow { index, id: id(index), author: device(index) });
    let follows: Vec<_> = follows.collect();
    let stamp = |at: usize| Stamp(1_700_000_000_000_000 + at as u64 * 1_000_000);
    let event = LogRow {
        id: Some(id(at)),
        author: device(at),
        incarnation: Some(Incarnation([0; 8])),
        seq: Some(at as u64 / 2),
        lane: Some(Lane::Content),
        kind: "change".to_owned(),
        parents: follows.iter().map(|of| of.id).collect(),
        stamp: stamp(at),
        stamp_ahead: false,
        verdict: Some(Verdict::Admitted),
        reason: None,
        times: None,
    };
    let since = follows.first().map_or(Stamp(0), |of| stamp(of.index));
    let (followed, named) = (true, at % 50 == 49);
    Look { event, about: None, follows, since, followed, named, flags: Vec::new() }
}

/// An inspector whose node has a [`History`].
struct Window {
    context: Context,
    app: App,
    ends: Ends,
    history: History,
    /// What was answered already: nothing changes.
    had: Vec<Topic>,
    time: f64,
}

impl Window {
    fn open(history: History) -> Self {
        let context = Context::default();
        let (client, ends) = Client::pair();
        let mut app = App::new(&context, client);
        app.apply(Action::Go(Panel::Timeline));
        app.model.link = Link::Up;
        Self { context, app, ends, history, had: Vec::new(), time: 0.0 }
    }

    /// One frame, after the node answered what is looked at. Gives what it cost, and whether and
    /// when another is asked for.
    fn frame(&mut self, events: Vec<egui::Event>) -> (f64, std::time::Duration) {
        let wanted = self.ends.wanted.borrow_and_update().clone();
        let workspace = WorkspaceId::UNBORN;
        let had = std::mem::replace(&mut self.had, wanted.topics.clone());
        for topic in wanted.topics.into_iter().filter(|topic| !had.contains(topic)) {
            let answer = topic.command().map(|command| self.history.answer(&command));
            let news = answer.map(|answer| News::Said(workspace, topic, answer));
            news.into_iter().for_each(|news| drop(self.ends.news.try_send(news)));
        }
        self.time += 1.0 / 60.0;
        let screen = Rect::from_min_size(pos2(0.0, 0.0), vec2(1_100.0, 720.0));
        let input = RawInput {
            screen_rect: Some(screen),
            time: Some(self.time),
            events,
            ..Default::default()
        };
        let start = cpu_ms();
        self.app.hear();
        let mut output = self.context.run_ui(input, |ui| self.app.draw(ui));
        output.textures_delta.clear();
        drop(self.context.tessellate(output.shapes, output.pixels_per_point));
        let cost = cpu_ms() - start;
        let next = output.viewport_output.values().map(|view| view.repaint_delay).min();
        (cost, next.unwrap_or(std::time::Duration::MAX))
    }
}

/// Measures the timeline of a history of so many events.
#[must_use]
pub fn run(events: usize) -> Cost {
    measure(events, FRAMES)
}

fn measure(events: usize, count: usize) -> Cost {
    let start = Instant::now();
    let mut window = Window::open(History { total: events });
    while window.app.model.said.timeline.total == 0 && events > 0 {
        window.frame(Vec::new());
    }
    window.frame(Vec::new());
    let open_ms = start.elapsed().as_secs_f64() * 1e3;
    let mut frames = Vec::with_capacity(count);
    for frame in 0..SETTLED + count {
        let left = count.saturating_sub(frame);
        let mut chosen = window.app.model.chosen.clone();
        chosen.place.top = Some(events.saturating_mul(left) / count.max(1));
        window.app.apply(Action::Choose(chosen));
        let (cost, _) = window.frame(Vec::new());
        frames.extend((frame >= SETTLED).then_some(cost));
    }
    frames.sort_by(f64::total_cmp);
    let frame_ms = frames.get(count * 95 / 100).copied().unwrap_or(f64::NAN);
    Cost { frame_ms, open_ms, repaints: repaints(&mut window) }
}

/// A minute passes; every frame that is asked for in it is drawn, a thousand at most.
fn repaints(window: &mut Window) -> usize {
    for _ in 0..SETTLED {
        window.frame(Vec::new());
    }
    let until = window.time + 60.0;
    let (_, mut next) = window.frame(Vec::new());
    let mut count = 0;
    while window.time + next.as_secs_f64() < until && count < 1_000 {
        window.time += next.as_secs_f64();
        next = window.frame(Vec::new()).1;
        count += 1;
    }
    count
}

/// Milliseconds that this thread had of a processor; of time, where the system does not tell.
fn cpu_ms() -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds: Option<f64> =
        told.and_then(|text| text.split_whitespace().next()?.parse().ok());
    let time = || START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e3;
    nanoseconds.map_or_else(time, |of| of / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_minute_draws_nothing() {
        let cost = measure(5_000, 10);
        assert_eq!(cost.repaints, 0);
        assert!(cost.frame_ms.is_finite() && cost.open_ms > 0.0, "{cost:?}");
    }
}
