//! Colours and sizes, in one place, as data: a test computes their contrast.

use eframe::egui::{
    self, Color32, CornerRadius, Stroke, Theme, Ui, Visuals, epaint::Shadow, style::WidgetVisuals,
};
use kernelos_protocol::present::Tone;

/// Points of what a mouse uses: WCAG 2.2 asks for 24 (target size, minimum).
pub const POINTS: f32 = 28.0;
/// Points of what a finger uses (target size, enhanced).
pub const FINGER: f32 = 44.0;
/// How much of its colours something keeps that cannot be used now.
pub const DISABLED: f32 = 0.75;
/// Beside a text in its button, for a mouse and for a finger: "Join" is wide enough, too.
const BESIDE: [f32; 2] = [6.0, 16.0];

/// The colours of one theme.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    /// Behind text.
    pub back: Color32,
    /// Behind buttons and inputs.
    pub raised: Color32,
    /// Behind what is chosen.
    pub chosen: Color32,
    /// Behind what the pointer is on.
    pub under: Color32,
    /// Text.
    pub text: Color32,
    /// Text of less interest.
    pub quiet: Color32,
    /// As it should be.
    pub good: Color32,
    /// Somebody should look.
    pub attention: Color32,
    /// The ring around what has the focus, and the edge of inputs.
    pub focus: Color32,
}

/// For dark rooms.
pub const DARK: Palette = Palette {
    back: Color32::from_rgb(0x16, 0x18, 0x1d),
    raised: Color32::from_rgb(0x26, 0x2a, 0x33),
    chosen: Color32::from_rgb(0x1f, 0x3a, 0x5f),
    under: Color32::from_rgb(0x33, 0x38, 0x43),
    text: Color32::from_rgb(0xe8, 0xea, 0xed),
    quiet: Color32::from_rgb(0xa9, 0xb1, 0xbd),
    good: Color32::from_rgb(0x7d, 0xd8, 0x8f),
    attention: Color32::from_rgb(0xff, 0xc1, 0x66),
    focus: Color32::from_rgb(0x6c, 0xb2, 0xff),
};

/// For light ones.
pub const LIGHT: Palette = Palette {
    back: Color32::from_rgb(0xfa, 0xfa, 0xf8),
    raised: Color32::from_rgb(0xe9, 0xeb, 0xee),
    chosen: Color32::from_rgb(0xcf, 0xe2, 0xfa),
    under: Color32::from_rgb(0xdd, 0xe0, 0xe5),
    text: Color32::from_rgb(0x1b, 0x1e, 0x24),
    quiet: Color32::from_rgb(0x4c, 0x55, 0x62),
    good: Color32::from_rgb(0x13, 0x62, 0x2b),
    attention: Color32::from_rgb(0x86, 0x4a, 0x00),
    focus: Color32::from_rgb(0x0b, 0x5c, 0xc4),
};

impl Palette {
    /// The colours of this theme.
    #[must_use]
    pub fn of(theme: Theme) -> Self {
        match theme {
            Theme::Dark => DARK,
            Theme::Light => LIGHT,
        }
    }

    /// The colour of a text that means this.
    #[must_use]
    pub fn tone(&self, tone: Tone) -> Color32 {
        match tone {
            Tone::Plain => self.text,
            Tone::Good => self.good,
            Tone::Attention => self.attention,
            Tone::Quiet => self.quiet,
        }
    }
}

/// The colours in use.
#[must_use]
pub fn palette(ui: &Ui) -> Palette {
    let palette = Palette::of(ui.ctx().theme());
    let is_old = ui.data(|data| data.get_temp(old())).unwrap_or(false);
    // Nothing is as it should be of which only old words are known.
    if is_old { Palette { good: palette.text, ..palette } } else { palette }
}

fn old() -> egui::Id {
    egui::Id::unique("what is shown is old")
}

/// Is what is shown what the node says, or what it said before it was gone?
pub fn set_old(context: &egui::Context, is_old: bool) {
    context.data_mut(|data| data.insert_temp(old(), is_old));
}

/// Sets both themes.
pub fn install(context: &egui::Context) {
    for theme in [Theme::Dark, Theme::Light] {
        context.style_mut_of(theme, |style| {
            style.visuals = visuals(theme);
            style.spacing.interact_size.y = POINTS;
            style.spacing.button_padding.x = BESIDE[0];
            style.spacing.item_spacing = egui::vec2(8.0, 6.0);
            style.animation_time = 0.0;
            style.scroll_animation = egui::style::ScrollAnimation::none();
        });
    }
}

/// Once a finger was used all is large enough for it, until the window closes.
pub fn fit(context: &egui::Context) {
    let is_large = |style: &egui::Style| style.spacing.interact_size.y >= FINGER;
    if !context.input(egui::InputState::has_touch_screen)
        || is_large(&context.style_of(Theme::Dark))
    {
        return;
    }
    for theme in [Theme::Dark, Theme::Light] {
        context.style_mut_of(theme, |style| {
            style.spacing.interact_size.y = FINGER;
            style.spacing.button_padding.x = BESIDE[1];
        });
    }
    context.request_repaint();
}

/// Points of a row that is used as a button.
#[must_use]
pub fn row(ui: &Ui) -> f32 {
    if ui.spacing().interact_size.y >= FINGER { FINGER } else { 24.0 }
}

fn visuals(theme: Theme) -> Visuals {
    let palette = Palette::of(theme);
    let mut visuals = match theme {
        Theme::Dark => Visuals::dark(),
        Theme::Light => Visuals::light(),
    };
    let edge = Stroke::new(1.0, palette.quiet);
    let widget = |back: Color32, edge: Stroke| WidgetVisuals {
        bg_fill: back,
        weak_bg_fill: back,
        bg_stroke: edge,
        corner_radius: CornerRadius::same(3),
        fg_stroke: Stroke::new(1.0, palette.text),
        expansion: 0.0,
    };
    visuals.widgets.noninteractive = widget(palette.back, edge);
    visuals.widgets.inactive = widget(palette.raised, edge);
    visuals.widgets.hovered = widget(palette.under, edge);
    visuals.widgets.active = widget(palette.chosen, edge);
    visuals.widgets.open = widget(palette.raised, edge);
    visuals.selection.bg_fill = palette.chosen;
    visuals.selection.stroke = Stroke::new(1.0, palette.text);
    visuals.disabled_alpha = DISABLED;
    visuals.weak_text_color = Some(palette.quiet);
    visuals.hyperlink_color = palette.focus;
    visuals.warn_fg_color = palette.attention;
    visuals.error_fg_color = palette.attention;
    visuals.panel_fill = palette.back;
    visuals.window_fill = palette.back;
    visuals.window_stroke = edge;
    visuals.window_shadow = Shadow::NONE;
    visuals.popup_shadow = Shadow::NONE;
    visuals.extreme_bg_color = palette.raised;
    visuals.faint_bg_color = palette.raised;
    visuals.code_bg_color = palette.raised;
    visuals
}

/// Marks a row as chosen, not by its colour alone.
pub fn mark_chosen(ui: &Ui, row: egui::Rect) {
    let edge = egui::Rect::from_min_size(row.min, egui::vec2(3.0, row.height()));
    ui.painter().rect_filled(edge, CornerRadius::ZERO, palette(ui).focus);
}

/// Draws a ring around what has the focus, whatever widget it is.
pub fn focus_ring(ui: &Ui) {
    let Some(id) = ui.memory(egui::Memory::focused) else { return };
    let Some(response) = ui.ctx().read_response(id) else { return };
    let layer = egui::LayerId::new(egui::Order::Tooltip, egui::Id::unique("focus ring"));
    let painter = ui.ctx().layer_painter(layer);
    let stroke = Stroke::new(2.0, palette(ui).focus);
    painter.rect_stroke(response.rect, CornerRadius::same(3), stroke, egui::StrokeKind::Outside);
}

/// Brings what got the focus into view, in the scroll area that is drawn.
pub fn reveal_focus(ui: &Ui) {
    let key = egui::Id::unique("revealed");
    let focused = ui.memory(egui::Memory::focused);
    let before: Option<egui::Id> = ui.data(|data| data.get_temp(key)).flatten();
    if focused == before {
        return;
    }
    ui.data_mut(|data| data.insert_temp(key, focused));
    let place = focused.and_then(|id| ui.ctx().read_response(id)).map(|response| response.rect);
    if let Some(place) = place
        && ui.min_rect().intersects(place)
    {
        ui.scroll_to_rect(place, None);
    }
}
