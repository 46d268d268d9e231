//! What the inspector costs before a real node, without a window: it starts and shows the timeline,
//! which is scrolled from its end to its beginning and walked by keys until the view is full at
//! every step; so are the conflicts, where some are open; then nothing happens for a while, and
//! then something does.
//!
//! `kern-gui --bench SECONDS --socket PATH` says so line by line, each one JSON object:
//!
//! | line | when |
//! |---|---|
//! | [`Shown`] | the first frame that shows the timeline is laid out |
//! | [`Cost`] | it was scrolled, and was idle for so many seconds |
//! | [`Shown`] | a change that another wrote after that is shown: it had listened |
//!
//! `kern bench` starts the node and this. What a graphics driver needs is not in it: what opening
//! takes with a window is seen by [`window`].

pub mod window;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eframe::egui::{
    self, Context, MouseWheelSource, MouseWheelUnit, RawInput, Rect, TouchPhase, pos2, vec2,
};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::app::App;
use crate::client::Client;
use crate::model::{Action, Chosen};
use crate::panel::{Panel, conflicts, timeline};

/// Places of the history that are jumped to.
const PLACES: usize = 96;
/// Pages that are walked from the end by keys: more than are kept, also where 64 events are a row.
const PAGES: usize = 48;
/// Turns of the wheel at each.
const TURNS: usize = 4;
/// Pages of conflicts that are walked, and by how many keys each.
const INBOX: (usize, usize) = (12, 24);
/// Points of one turn of the wheel.
const TURN: f32 = 66.0;
/// Between two frames that a screen shows.
const SCREEN: Duration = Duration::from_micros(16_667);
/// Nothing that the node says takes longer, or it is told that it does.
const PATIENCE: Duration = Duration::from_secs(60);
/// Once nothing was drawn for so long, what was under way is over.
const SETTLED: Duration = Duration::from_secs(2);

/// The timeline is shown.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Shown {
    /// Of a history of so many events.
    pub events: usize,
}

/// What drawing costs.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Cost {
    /// While the timeline is gone through.
    pub timeline: Frames,
    /// While the conflicts are, and how many are open; none where none is.
    pub conflicts: Option<(usize, Frames)>,
    /// Frames that were drawn while nothing happened.
    pub repaints: usize,
}

/// Milliseconds of CPU of one frame: what was heard taken in, layout and tessellation.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Frames {
    /// The 95th percentile.
    pub p95_ms: f64,
    /// The longest of all.
    pub most_ms: f64,
    /// Of how many frames.
    pub frames: usize,
}

impl Frames {
    fn of(mut costs: Vec<f64>) -> Self {
        costs.sort_by(f64::total_cmp);
        let at = |at: usize| costs.get(at).copied().unwrap_or(f64::NAN);
        let frames = costs.len();
        Self { p95_ms: at(frames * 95 / 100), most_ms: at(frames.saturating_sub(1)), frames }
    }
}

/// When the next frame is asked for.
#[derive(Default)]
struct Due {
    at: Mutex<Option<Instant>>,
    changed: Condvar,
}

impl Due {
    fn soon(&self, delay: Duration) {
        let Some(at) = Instant::now().checked_add(delay) else { return };
        let mut due = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        *due = Some(due.map_or(at, |due| due.min(at)));
        self.changed.notify_all();
    }

    fn clear(&self) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Waits for the next frame; false where none is asked for until then.
    fn wait(&self, until: Instant) -> bool {
        let mut due = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (now, next) = (Instant::now(), due.map_or(until, |due| due.min(until)));
            if next <= now {
                return next < until || due.is_some_and(|due| due <= now);
            }
            let waited = self.changed.wait_timeout(due, next - now);
            due = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// An inspector, as a window has it.
struct Window {
    context: Context,
    app: App,
    due: Arc<Due>,
    start: Instant,
    /// Between two frames at least, once it was opened: as often as a screen shows them.
    pace: Duration,
}

impl Window {
    fn open(socket: PathBuf) -> io::Result<Self> {
        let (context, due) = (Context::default(), Arc::new(Due::default()));
        let asked = due.clone();
        context.set_request_repaint_callback(move |info| asked.soon(info.delay));
        let client = Client::start(socket, None, &context)?;
        let mut app = App::new(&context, client);
        app.apply(Action::Go(Panel::Timeline));
        Ok(Self { context, app, due, start: Instant::now(), pace: Duration::ZERO })
    }

    /// Draws one frame; gives the milliseconds of CPU that it took.
    fn frame(&mut self, events: Vec<egui::Event>) -> f64 {
        self.due.clear();
        let screen = Rect::from_min_size(pos2(0.0, 0.0), vec2(1_100.0, 720.0));
        let input = RawInput {
            screen_rect: Some(screen),
            time: Some(self.start.elapsed().as_secs_f64()),
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
        self.due.soon(next.unwrap_or(Duration::MAX));
        cost
    }

    /// Draws whatever is asked for until this is shown; gives what the frames cost.
    fn until(&mut self, what: &str, shown: impl Fn(&App) -> bool) -> io::Result<Vec<f64>> {
        let (end, mut costs) = (Instant::now() + PATIENCE, Vec::new());
        loop {
            costs.push(self.frame(Vec::new()));
            if shown(&self.app) {
                return Ok(costs);
            }
            let drawn = Instant::now();
            if !self.due.wait(end) {
                let link = &self.app.model.link;
                return Err(io::Error::other(format!("this never came: {what} ({link:?})")));
            }
            std::thread::sleep(self.pace.saturating_sub(drawn.elapsed()));
        }
    }

    /// Draws whatever is asked for so long; gives how many frames that were.
    fn rest(&mut self, time: Duration) -> usize {
        let (end, mut frames) = (Instant::now() + time, 0);
        while self.due.wait(end) {
            self.frame(Vec::new());
            frames += 1;
        }
        frames
    }

    fn total(&self) -> usize {
        self.app.model.said.timeline.total
    }

    /// From the end towards the beginning by keys, as a person goes; every part on the way is
    /// waited for.
    fn walk(&mut self) -> io::Result<Vec<f64>> {
        let mut costs = vec![self.frame(key(egui::Key::Home))];
        for page in 0..PAGES {
            costs.push(self.frame(key(egui::Key::PageDown)));
            costs.extend(self.until(&format!("page {page} from the end"), is_in_sight)?);
        }
        Ok(costs)
    }

    /// From conflict to conflict by keys, and on to the next pages.
    fn inbox(&mut self) -> io::Result<Vec<f64>> {
        self.app.apply(Action::Go(Panel::Conflicts));
        let mut costs = self.until("the conflicts", is_looked_at)?;
        for page in 0..INBOX.0 {
            for _ in 0..INBOX.1 {
                costs.push(self.frame(key(egui::Key::N)));
                costs.push(self.frame(wheel()));
            }
            let rows = self.app.model.said.conflicts.as_ref().map(|page| &page.conflicts);
            let last = rows.and_then(|rows| rows.last()).map(|row| row.id);
            let chosen = Chosen { conflict: last, ..self.app.model.chosen.clone() };
            self.app.apply(Action::Choose(chosen));
            costs.extend(self.until("the last of a page", is_looked_at)?);
            let Some(next) = conflicts::step(&self.app.model, true) else { break };
            costs.push(self.frame(key(egui::Key::N)));
            let shows_next = |app: &App| app.model.chosen.pages == next.pages && is_looked_at(app);
            costs.extend(self.until(&format!("page {page} of conflicts"), shows_next)?);
        }
        Ok(costs)
    }

    /// From the end of the history to its beginning: at every place the wheel is turned.
    fn scroll(&mut self) -> io::Result<Vec<f64>> {
        let (total, mut costs) = (self.total(), Vec::new());
        for left in (0..PLACES).rev() {
            let top = total.saturating_mul(left) / PLACES;
            let mut chosen = self.app.model.chosen.clone();
            chosen.place.top = Some(timeline::event_at(top));
            self.app.apply(Action::Choose(chosen));
            let what = format!("event {top} of {total}");
            costs.extend(self.until(&what, is_in_sight)?);
            for _ in 0..TURNS {
                costs.push(self.frame(wheel()));
            }
        }
        Ok(costs)
    }
}

fn key(key: egui::Key) -> Vec<egui::Event> {
    let modifiers = egui::Modifiers::NONE;
    vec![egui::Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers }]
}

/// Is the view full of what is known? The wheel goes on for a moment, and that moves.
fn is_in_sight(app: &App) -> bool {
    timeline::is_full(&app.model)
}

/// Is the conflict that is looked at shown?
fn is_looked_at(app: &App) -> bool {
    app.model.said.conflicts.is_some() && conflicts::looked_at(&app.model).is_some()
}

/// One turn towards the past, in the middle of the window.
fn wheel() -> Vec<egui::Event> {
    let turn = egui::Event::MouseWheel {
        unit: MouseWheelUnit::Point,
        source: MouseWheelSource::Wheel,
        delta: vec2(0.0, -TURN),
        phase: TouchPhase::Move,
        modifiers: egui::Modifiers::NONE,
    };
    vec![egui::Event::PointerMoved(pos2(600.0, 400.0)), turn]
}

/// Measures the inspector before the node that answers there, idle for so many seconds.
pub fn run(socket: PathBuf, seconds: u64) -> io::Result<()> {
    let mut window = Window::open(socket)?;
    window.until("the timeline", |app| app.model.said.timeline.total > 0)?;
    tell(&Shown { events: window.total() })?;
    window.pace = SCREEN;
    let mut costs = window.scroll()?;
    costs.extend(window.walk()?);
    let timeline = Frames::of(costs);
    let open = window.app.model.said.status.as_ref().map_or(0, |status| status.conflicts);
    let conflicts = if open > 0 { Some((open, Frames::of(window.inbox()?))) } else { None };
    window.app.apply(Action::Go(Panel::Timeline));
    let end = Instant::now() + PATIENCE;
    while window.rest(SETTLED) > 0 {
        if Instant::now() > end {
            return Err(io::Error::other("it draws and draws, though nothing happens"));
        }
    }
    let repaints = window.rest(Duration::from_secs(seconds));
    let total = window.total();
    tell(&Cost { timeline, conflicts, repaints })?;
    window.until("another's change", |app| app.model.said.timeline.total > total)?;
    tell(&Shown { events: window.total() })
}

fn tell(line: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string(line)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Milliseconds that this thread had of a processor.
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
